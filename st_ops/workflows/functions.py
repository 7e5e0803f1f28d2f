"""The functions that a workflow's expressions call, in YAQL and in Jinja (Orquesta 1.9 and StackStorm's additions)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from st_ops.expressions.datastore import SYSTEM, USER
from st_ops.model.status import Status
from st_ops.workflows.signals import World
from st_ops.workflows.state import Run, State

#: What ``task_status`` says of a task that has not begun (Orquesta's word).
UNSET = "null"
_NOTHING: Any = object()


class ExpressionEvaluationException(Exception):
    """Raised when a function cannot answer where it is called. The name is Orquesta's and shows in messages."""


class VariableUndefinedError(Exception):
    """Raised when ``ctx`` is asked for a variable that was never published. The name is Orquesta's."""


class VariableInaccessibleError(Exception):
    """Raised when ``ctx`` is asked for a name that begins with two underscores. The name is Orquesta's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one evaluation sees. ``status`` is that of ``run``, which the log may not have yet."""

    state: State
    world: World
    variables: Mapping[str, Any]
    name: str = ""
    route: int = 0
    run: Run | None = None
    status: Status | None = None
    item: Any = _NOTHING


def functions() -> dict[str, Callable[..., Any]]:
    """Name → function; each takes the Scope first."""
    return {
        "ctx": ctx,
        "item": item,
        "result": result,
        "succeeded": lambda scope: _status(scope) is Status.SUCCEEDED,
        "failed": lambda scope: _status(scope) is Status.FAILED,
        "completed": lambda scope: _status(scope).terminal,
        "task_status": task_status,
        "task": task,
        "st2kv": st2kv,
    }


def ctx(scope: Scope, name: str | None = None) -> Any:
    """All variables, or one of them."""
    if not name:
        return scope.variables
    if name.startswith("__"):
        raise VariableInaccessibleError(f'The variable "{name}" is for internal use and inaccessible.')
    if name not in scope.variables:
        raise VariableUndefinedError(f'The variable "{name}" is undefined.')
    return scope.variables[name]


def item(scope: Scope, key: str | None = None) -> Any:
    """The item at hand of a with-items task, or what it has under ``key``."""
    if scope.item is _NOTHING:
        raise ExpressionEvaluationException("There is no current item: the task has no items.")
    if not key:
        return scope.item
    if not isinstance(scope.item, Mapping):
        raise ExpressionEvaluationException(f'The item has no key "{key}": it is not a mapping.')
    if key not in scope.item:
        raise ExpressionEvaluationException(f'Item does not have key "{key}".')
    return scope.item[key]


def result(scope: Scope) -> Any:
    """The result of the task at hand; a list in the order of its items for a with-items task."""
    return result_of(_current(scope), scope.world)


def result_of(run: Run, world: World) -> Any:
    """What ``result()`` gives for ``run``."""
    if run.items is None:
        return _child_result(run.current.get(None), world)
    return [_child_result(run.current.get(index), world) for index in range(len(run.items))]


def _child_result(key: str | None, world: World) -> Any:
    record = world.child(key) if key else None
    return record.result if record else None


def task_status(scope: Scope, name: str, route: int | None = None) -> str:
    """The status of a task's latest run on ``route`` (its own by default) or the nearest route that one left."""
    at = scope.route if route is None else route
    if scope.run is not None and scope.status is not None and (scope.run.name, scope.run.route) == (name, at):
        return scope.status.value
    run = scope.state.run_on(name, at)
    return run.status.value if run else UNSET


def task(scope: Scope, name: str | None = None, route: int | None = None) -> dict[str, Any]:
    """The latest run of a task (of the one at hand by default) as StackStorm's task execution."""
    wanted = name or scope.name
    run = scope.state.run_on(wanted, scope.route if route is None else route) if wanted else None
    if run is None:
        raise ExpressionEvaluationException(f'Unable to find task execution for "{wanted}".')
    records = [scope.world.child(run.current[index]) for index in run.current]
    known = [record for record in records if record is not None]
    status = scope.status if run is scope.run and scope.status else run.ended or run.status
    return {
        "task_execution_id": known[0].execution_id if known and run.items is None else run.key,
        "workflow_execution_id": scope.variables.get("st2", {}).get("workflow_execution_id", ""),
        "task_name": run.name,
        "task_id": run.name,
        "route": run.route,
        "result": result_of(run, scope.world) if run.items is None else _items_result(run, scope),
        "status": status.value,
        "start_timestamp": min((record.start_timestamp for record in known), default=""),
        "end_timestamp": max((record.end_timestamp for record in known), default=""),
    }


def _items_result(run: Run, scope: Scope) -> dict[str, Any]:
    items: list[Any] = []
    for index in range(len(run.items or ())):
        key = run.current.get(index)
        record = scope.world.child(key) if key else None
        items.append({"status": record.status.value, "result": record.result} if record else None)
    return {"items": items}


def st2kv(scope: Scope, key: str, decrypt: bool = False, default: Any = _NOTHING) -> Any:
    """A datastore value: ``system.x``, or ``user.x`` or plain ``x`` of whoever runs the workflow."""
    if not isinstance(key, str):
        raise TypeError("Given key is not typeof string.")
    if not isinstance(decrypt, bool):
        raise TypeError("Decrypt parameter is not typeof bool.")
    if key.startswith("system."):
        found = scope.world.key_value(SYSTEM, "", key.removeprefix("system."))
    else:
        found = scope.world.key_value(USER, scope.world.user, key.removeprefix("user."))
    if found is not None:
        return scope.world.decrypt(found) if decrypt else found
    if default is _NOTHING:
        raise ExpressionEvaluationException(f'The key "{key}" does not exist in the datastore.')
    return default


def _current(scope: Scope) -> Run:
    if scope.run is None:
        raise ExpressionEvaluationException("The current task is not set in the context.")
    return scope.run


def _status(scope: Scope) -> Status:
    return scope.status or _current(scope).status
