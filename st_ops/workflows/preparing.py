"""Making a staged task ready to request: evaluating all that its definition leaves to expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from st_ops.workflows.functions import Scope
from st_ops.workflows.graph import Items, Task

#: Evaluates a value in a scope.
Evaluate = Callable[[Any, Scope], Any]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One child execution to ask for. ``action`` None = nothing to run."""

    action: str | None
    parameters: dict[str, Any]
    item: int | None = None
    delay: int = 0


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A task whose expressions have been evaluated. ``requests``: what to ask for first."""

    items: list[Any] | None
    concurrency: int | None
    retries: int
    retry_delay: int
    delay: int
    requests: list[Request]


def prepare(task: Task, scope: Scope, evaluate: Evaluate) -> Prepared:
    """Evaluate ``task`` in ``scope``. Raises ExpressionError, TypeError or ValueError with Orquesta's sentences."""
    items = None if task.items is None else unpack(task.items, evaluate(task.items.expression, scope))
    concurrency = None
    if task.items is not None and task.items.concurrency is not None:
        complaint = f'The concurrency of task "{task.name}" is not an integer.'
        concurrency = max(1, _integer(evaluate(task.items.concurrency, scope), TypeError(complaint)))
    delay = 0
    if task.delay is not None:
        complaint = "The value of task delay is not type of integer."
        delay = _integer(evaluate(task.delay, scope), TypeError(complaint))
    retries, pause = _retry(task, scope, evaluate)
    first = [None] if items is None else list(range(len(items)))[: concurrency or len(items)]
    requests = [request(task, items, index, scope, evaluate, delay=delay) for index in first]
    return Prepared(
        items=items,
        concurrency=concurrency,
        retries=retries,
        retry_delay=pause,
        delay=delay,
        requests=requests,
    )


def request(
    task: Task,
    items: list[Any] | None,
    index: int | None,
    scope: Scope,
    evaluate: Evaluate,
    *,
    delay: int = 0,
) -> Request:
    """The child execution for item ``index`` (None: for the task itself). Raises as ``prepare`` does."""
    if items is not None and index is not None:
        scope = with_item(scope, items[index])
    action = evaluate(task.action, scope)
    parameters = evaluate(task.input, scope)
    if parameters is None:
        parameters = {}
    if not isinstance(parameters, Mapping):
        raise TypeError(f'The input of task "{task.name}" is not a mapping of parameters to values.')
    if task.action is not None and not isinstance(action, str):
        raise TypeError(f'The action of task "{task.name}" is not the reference of an action.')
    return Request(action=action, parameters=dict(parameters), item=index, delay=delay)


def unpack(items: Items, values: Any) -> list[Any]:
    """The items as ``item()`` shows them: named parts as a dict. Raises TypeError when ``values`` is no list."""
    if not isinstance(values, list | tuple):
        raise TypeError(f'The value of "{items.expression}" is not type of list.')
    if not items.names:
        return list(values)
    return [_named(items.names, value) for value in values]


def _named(names: tuple[str, ...], value: Any) -> Any:
    if isinstance(value, list | tuple):
        return dict(zip(names, value, strict=False))
    return {names[0]: value} if len(names) == 1 else value


def with_item(scope: Scope, item: Any) -> Scope:
    """``scope`` with ``item`` as the current one."""
    return Scope(
        state=scope.state,
        world=scope.world,
        variables=scope.variables,
        name=scope.name,
        route=scope.route,
        run=scope.run,
        status=scope.status,
        item=item,
    )


def _retry(task: Task, scope: Scope, evaluate: Evaluate) -> tuple[int, int]:
    """How often to try again, and how many seconds apart."""
    if task.retry is None:
        return 0, 0
    complaint = f'The retry {{}} for task "{task.name}" is not an integer.'
    count = _integer(evaluate(task.retry.count, scope), ValueError(complaint.format("count")))
    if task.retry.delay is None:
        return count, 0
    return count, _integer(evaluate(task.retry.delay, scope), ValueError(complaint.format("delay")))


def _integer(value: Any, complaint: Exception) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise complaint
    return value
