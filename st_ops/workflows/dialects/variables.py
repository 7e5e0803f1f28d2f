"""Whether every variable that a workflow reads has been assigned on the way there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from st_ops.expressions.evaluate import Evaluator
from st_ops.workflows.dialects.entry import TASK_SCHEMA, Entry, entry
from st_ops.workflows.graph import Graph, Task, Transition

_NEXT = ".properties.next.items.properties."
Names = frozenset[str]


def context_errors(graph: Graph, evaluator: Evaluator, known: Iterable[str]) -> Iterator[Entry]:
    """An entry for each read of a variable that is private, or not assigned on every way there.

    A join sees what any branch into it assigned; any other task only what all ways to it assigned; the
    output what was assigned anywhere.
    """
    check = _Check(evaluator)
    names = frozenset(known)
    for key, pairs in (("input", graph.inputs), ("vars", graph.variables)):
        for index, (name, value) in enumerate(pairs):
            yield from check.read(value, names, f"{key}[{index}]", f"properties.{key}")
            names |= {name}
    arriving = _arriving(graph, names)
    anywhere = names
    for name, task in graph.tasks.items():
        yield from check.task(task, arriving[name])
        anywhere |= arriving[name].union(*(_published(transition) for transition in task.transitions))
    for index, (name, value) in enumerate(graph.output):
        yield from check.read(value, anywhere, f"output[{index}]", "properties.output")
        anywhere |= {name}


class _Check:
    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def read(self, value: Any, names: Names, spec_path: str, schema_path: str) -> Iterator[Entry]:
        for variable in self._evaluator.variables(value):
            found = {"language": variable.language, "expression": variable.expression}
            if variable.name.startswith("__"):
                message = (
                    f'Variable "{variable.name}" that is prefixed with double underscores is considered '
                    "a private variable and cannot be referenced."
                )
                yield {**entry("context", message, spec_path, schema_path), **found}
            if variable.name not in names:
                message = f'Variable "{variable.name}" is referenced before assignment.'
                yield {**entry("context", message, spec_path, schema_path), **found}

    def task(self, task: Task, names: Names) -> Iterator[Entry]:
        path = f"tasks.{task.name}"
        for key, value in _own(task):
            schema = ".properties.".join((TASK_SCHEMA, *key.split(".")))
            yield from self.read(value, names, f"{path}.{key}", schema)
        for transition in task.transitions:
            seen, where = names, f"{path}.next[{transition.index}]"
            yield from self.read(transition.when, seen, f"{where}.when", f"{TASK_SCHEMA}{_NEXT}when")
            for index, (name, value) in enumerate(transition.publish):
                schema = f"{TASK_SCHEMA}{_NEXT}publish"
                yield from self.read(value, seen, f"{where}.publish[{index}]", schema)
                seen |= {name}


def _own(task: Task) -> Iterator[tuple[str, Any]]:
    yield "delay", task.delay
    if task.items is not None:
        yield "with.items", task.items.expression
        yield "with.concurrency", task.items.concurrency
    yield "action", task.action
    yield "input", task.input
    if task.retry is not None:
        yield "retry.count", task.retry.count
        yield "retry.delay", task.retry.delay


def _published(transition: Transition) -> Names:
    return frozenset(name for name, _ in transition.publish)


def _arriving(graph: Graph, begin: Names) -> Mapping[str, Names]:
    """Task → the names assigned when it begins: the greatest solution, found by taking away until nothing changes."""
    everything = begin.union(
        *(_published(transition) for task in graph.tasks.values() for transition in task.transitions)
    )
    found = {name: begin if name in graph.start else everything for name in graph.tasks}
    waiting = list(graph.tasks)
    while waiting:
        for edge in graph.edges[waiting.pop()]:
            if edge.target not in found or edge.target in graph.start:
                continue
            ways = [_leaving(graph, way.source, way.transition, found) for way in graph.inbound[edge.target]]
            joined = (
                frozenset[str]().union(*ways) if graph.joins(edge.target) else ways[0].intersection(*ways)
            )
            if joined != found[edge.target]:
                found[edge.target] = joined
                waiting.append(edge.target)
    return found


def _leaving(graph: Graph, source: str, transition: int, found: Mapping[str, Names]) -> Names:
    taken = next(one for one in graph.tasks[source].transitions if one.index == transition)
    return found[source] | _published(taken)
