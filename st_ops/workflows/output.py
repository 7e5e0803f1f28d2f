"""How a workflow ends: its output, the joins it never reached, and the result its execution gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from st_ops.workflows.context import Context
from st_ops.workflows.functions import Scope
from st_ops.workflows.graph import Graph
from st_ops.workflows.preparing import Evaluate
from st_ops.workflows.rendering import EXPECTED
from st_ops.workflows.state import State


def rendered_output(
    graph: Graph, state: State, evaluate: Evaluate, scope: Callable[..., Scope]
) -> tuple[dict[str, Any], list[Exception]]:
    """The output, evaluated in order over the merged ends of all branches; and what went wrong."""
    made: dict[str, Any] = {}
    errors: list[Exception] = []
    if not graph.output:
        return made, errors
    context = final_context(state)
    for name, value in graph.output:
        try:
            made[name] = evaluate(value, scope(context))
        except EXPECTED as error:
            errors.append(error)
        else:
            context = context.publish({name: made[name]}, state.position + 1)
    return made, errors


def final_context(state: State) -> Context:
    """The contexts of all branches' ends merged, in the order they began; joins never reached end branches too."""
    context = state.root
    for run in state.runs.values():
        ends = [run.context] if run.ends_its_branch else []
        for end in (*ends, *run.ends):
            context = context.merge(end, state.position + 1)
    for staged in state.waiting.values() if state.failing is None else ():
        context = context.merge(staged.context, state.position + 1)
    return context


def unreachable(graph: Graph, state: State) -> list[dict[str, Any]]:
    """An error for every join that some tasks led to and that can no longer start."""
    busy = state.active > 0 or bool(state.ready)
    return [
        {
            "type": "error",
            "message": f'UnreachableJoinError: The join task|route "{name}|{route}" '
            "is partially satisfied but unreachable.",
            "task_id": name,
            "route": route,
        }
        for name, route in state.waiting
        if not (busy and _may_still_come(graph, state, name, route))
        and not _ran_enough(graph, state, name, route)
    ]


def _may_still_come(graph: Graph, state: State, name: str, route: int) -> bool:
    """True when a task that leads to the join has not even begun on this route."""
    return any((source, route) not in state.latest for source in graph.predecessors(name))


def _ran_enough(graph: Graph, state: State, name: str, route: int) -> bool:
    """True for arrivals that came late to a counting join on a cycle, which has already started."""
    return graph.tasks[name].join != "all" and (name, route) in state.joined
