"""The result that a finished workflow's execution gets, in the shape of its dialect."""

from __future__ import annotations

from typing import Any

from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.workflows.graph import Graph
from st_ops.workflows.signals import ChildRecord, World
from st_ops.workflows.state import Run, State

_ABENDED = frozenset({Status.FAILED, Status.TIMEOUT, Status.ABANDONED})


def outcome(graph: Graph, state: State, world: World) -> Outcome:
    """Status and result of a finished workflow.

    Orquesta: ``{output}``, with ``errors`` when it failed. Action chain: ``{tasks, published}``, with ``error``
    and ``traceback`` when the chain itself went wrong.
    """
    result = _chain(graph, state, world) if graph.dialect == "action-chain" else _orquesta(state, world)
    return Outcome(status=state.status, result=result, reason=_reason(state, world))


def _reason(state: State, world: World) -> str:
    """Why it failed: the first thing that went wrong, in whose wake others may have; "" when it did not."""
    if state.status not in _ABENDED or not state.errors:
        return ""
    error, key = _ordered(state)[0]
    task = error.get("task_id")
    if task is None:
        return str(error["message"])
    if task == "fail":
        return "The workflow took its command 'fail'."
    record = world.child(key) if key else None
    # An action that failed knows better than the text that stands for all such failures.
    why = record.reason if record is not None and record.reason else error["message"]
    return f"Task '{task}': {why}"


def _ordered(state: State) -> list[tuple[dict[str, Any], str]]:
    """The errors of tasks in their order, then those of the output, which often only lacks what a task did not make."""
    return sorted(state.errors, key=lambda entry: "task_id" not in entry[0])


def _orquesta(state: State, world: World) -> dict[str, Any]:
    result: dict[str, Any] = {"output": state.output}
    if state.status in _ABENDED:
        result["errors"] = errors(state, world)
    return result


def errors(state: State, world: World) -> list[dict[str, Any]]:
    """The error entries, those of failed actions with the action's result; none twice."""
    found: list[dict[str, Any]] = []
    for error, key in _ordered(state):
        record = world.child(key) if key else None
        entry = error if record is None or record.result is None else {**error, "result": record.result}
        if entry not in found:
            found.append(entry)
    return found


def _chain(graph: Graph, state: State, world: World) -> dict[str, Any]:
    result: dict[str, Any] = {
        "tasks": [
            _task(run, record)
            for run in state.runs.values()
            for key in run.children
            if (record := world.child(key)) is not None
        ],
        "published": _published(graph, state),
    }
    engine = [error for error, key in state.errors if not key]
    if engine:
        result["error"] = engine[0]["message"]
        result["traceback"] = "\n".join(_located(graph, error) for error in engine)
    return result


def _task(run: Run, record: ChildRecord) -> dict[str, Any]:
    return {
        "id": run.name,
        "name": run.name,
        "execution_id": record.execution_id,
        "liveaction_id": record.execution_id,
        "workflow": None,
        "created_at": record.created_at,
        "updated_at": record.end_timestamp or record.start_timestamp or record.created_at,
        "state": record.status.value,
        "result": record.result,
    }


def _published(graph: Graph, state: State) -> dict[str, Any]:
    names = {
        name: None
        for task in graph.tasks.values()
        for transition in task.transitions
        for name, _ in transition.publish
    }
    bindings = {name: state.last.binding(name) for name in names}
    return {name: found.value for name, found in bindings.items() if found and found.lineage.at > 0}


def _located(graph: Graph, error: dict[str, Any]) -> str:
    task = graph.tasks.get(error.get("task_id", ""))
    return f"Task {task.name}, line {task.line}: {error['message']}" if task else str(error["message"])
