"""How a workflow begins: its inputs and variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from st_ops.workflows import facts as f
from st_ops.workflows.context import Context
from st_ops.workflows.functions import Scope
from st_ops.workflows.graph import Graph
from st_ops.workflows.preparing import Evaluate
from st_ops.workflows.rendering import EXPECTED, described
from st_ops.workflows.signals import Start

ScopeOf = Callable[..., Scope]


def opening(
    graph: Graph, start: Start, evaluate: Evaluate, scope: ScopeOf
) -> tuple[f.WorkflowStarted, list[dict[str, Any]]]:
    """The first fact of a workflow, and an error entry for every input or variable that cannot be evaluated.

    A value given at run time is data and never evaluated, only defaults are. (Orquesta evaluates both, so that
    the text of an alert could read secrets.)
    """
    if graph.dialect == "action-chain":
        return _chain(graph, start, evaluate, scope)
    errors: list[dict[str, Any]] = []
    context = Context.of(dict(start.context))
    for name, default in graph.inputs:
        if name in start.inputs:
            context = context.publish({name: start.inputs[name]}, 0)
        else:
            context = _evaluated(name, default, context, errors, evaluate, scope)
    for name, value in graph.variables:
        context = _evaluated(name, value, context, errors, evaluate, scope)
    inputs = {name: context.get(name) for name, _ in graph.inputs}
    return (
        f.WorkflowStarted(inputs=inputs, variables=dict(context), start=list(graph.start)),
        errors,
    )


def _evaluated(
    name: str,
    value: Any,
    context: Context,
    errors: list[dict[str, Any]],
    evaluate: Evaluate,
    scope: ScopeOf,
) -> Context:
    try:
        return context.publish({name: evaluate(value, scope(context))}, 0)
    except EXPECTED as error:
        errors.append({"type": "error", "message": described(error)})
        return context


def _chain(
    graph: Graph, start: Start, evaluate: Evaluate, scope: ScopeOf
) -> tuple[f.WorkflowStarted, list[dict[str, Any]]]:
    """An action chain's variables see its parameters and the datastore, not each other."""
    variables: dict[str, Any] = {}
    errors: list[dict[str, Any]] = []
    for name, value in graph.variables:
        try:
            variables[name] = evaluate(value, scope(dict(start.inputs)))
        except EXPECTED as error:
            message = f"Failed initializing ``vars`` in chain. {error}"
            errors.append({"type": "error", "message": message})
    started = f.WorkflowStarted(
        dialect="action-chain", inputs=dict(start.inputs), variables=variables, start=list(graph.start)
    )
    return started, errors
