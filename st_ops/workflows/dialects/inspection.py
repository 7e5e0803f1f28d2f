"""Looking an Orquesta workflow over before anything runs: what is wrong, where, and what was expected.

Each finding is an entry in StackStorm's form, ``{type, message, spec_path, schema_path[, language,
expression]}``, with ``line`` added. Types: ``syntax``, ``expression``, ``semantic``, ``context``, ``content``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jsonschema import Draft4Validator, ValidationError

from st_ops.expressions.evaluate import Evaluator
from st_ops.model.resources import Action
from st_ops.workflows.dialects.contents import content_errors
from st_ops.workflows.dialects.document import Document, read
from st_ops.workflows.dialects.entry import TASK_SCHEMA, Entry, dotted, entry
from st_ops.workflows.dialects.orquesta import compiled
from st_ops.workflows.dialects.schema import WORKFLOW
from st_ops.workflows.dialects.variables import context_errors
from st_ops.workflows.graph import RESERVED, Graph

#: The names every workflow's context has from the platform.
PLATFORM_NAMES = frozenset({"st2", "parent"})

_VALIDATOR = Draft4Validator(WORKFLOW)
_NEXT = ".properties.next.items.properties."


def inspect(
    text: str,
    evaluator: Evaluator,
    *,
    known: Iterable[str] = PLATFORM_NAMES,
    action_of: Callable[[str], Action | None] | None = None,
) -> tuple[Graph | None, list[Entry]]:
    """The graph of ``text`` and everything wrong with it, sorted; the graph is None when the form is wrong.

    ``known``: variables there are from the start. ``action_of``: looks an action up by reference, to check
    that it exists and takes the input it is given; None = not checked.
    """
    document = read(text)
    errors = list(syntax(document))
    if document.data is None:
        return None, errors
    errors += expression_errors(document, evaluator)
    graph = None
    if not any(error["type"] == "syntax" for error in errors):
        graph = compiled(document)
        errors += semantic_errors(graph)
        errors += context_errors(graph, evaluator, known)
        errors += content_errors(graph, action_of) if action_of else []
    for error in errors:
        error.setdefault("line", document.line(_path(error["spec_path"])))
    return graph, sorted(
        errors, key=lambda one: (one["type"], one["schema_path"] or "", one["spec_path"] or "")
    )


def _path(spec_path: str | None) -> tuple[str | int, ...]:
    parts: list[str | int] = []
    for piece in (spec_path or "").split("."):
        name, *indexes = piece.split("[")
        parts += [name, *(int(index.rstrip("]")) for index in indexes)]
    return tuple(parts)


def syntax(document: Document) -> Iterator[Entry]:
    """What breaks YAML or the schema of a workflow; keys written twice."""
    for problem in document.problems:
        yield {**entry("syntax", problem.message, dotted(problem.path), None), "line": problem.line}
    if document.data is not None:
        for error in _VALIDATOR.iter_errors(_expanded(document.data)):
            path = (*error.absolute_path, *_unexpected(error))
            found = entry(
                "syntax",
                error.message,
                dotted(error.absolute_path) or None,
                dotted(error.absolute_schema_path) or None,
            )
            yield {**found, "line": document.line(path)}


def _unexpected(error: ValidationError) -> tuple[str, ...]:
    """The key that should not be there, when that is what ``error`` is about."""
    if error.validator != "additionalProperties" or not isinstance(error.instance, Mapping):
        return ()
    return tuple(key for key in error.instance if f"'{key}'" in error.message)[:1]


def _expanded(data: Any) -> Any:
    """``data`` with ``with: <expression>`` written out as ``with: {items: …}``, which is what the schema knows."""
    if not (isinstance(data, Mapping) and isinstance(data.get("tasks"), Mapping)):
        return data
    tasks = {
        name: {**task, "with": {"items": task["with"]}}
        if isinstance(task, Mapping) and isinstance(task.get("with"), str)
        else task
        for name, task in data["tasks"].items()
    }
    return {**data, "tasks": tasks}


def expression_errors(document: Document, evaluator: Evaluator) -> Iterator[Entry]:
    """Expressions that do not parse, or that mix both languages in one string."""
    for spec_path, schema_path, value in _expressions(document.data):
        for fault in evaluator.check(value):
            yield {
                **entry("expression", fault.message, spec_path, schema_path),
                "language": fault.language,
                "expression": fault.expression,
            }


def _expressions(data: Any) -> Iterator[tuple[str, str, Any]]:
    """(spec path, schema path, value) of every property that may hold expressions."""
    if not isinstance(data, Mapping):
        return
    for key in ("input", "vars", "output"):
        yield key, f"properties.{key}", data.get(key)
    tasks = _expanded(data).get("tasks")
    for name, task in tasks.items() if isinstance(tasks, Mapping) else ():
        if isinstance(task, Mapping):
            yield from _task_expressions(f"tasks.{name}", task)


def _task_expressions(path: str, task: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for key in ("delay", "action", "input"):
        yield f"{path}.{key}", f"{TASK_SCHEMA}.properties.{key}", task.get(key)
    for outer in ("with", "retry"):
        inner = task.get(outer)
        for key, value in inner.items() if isinstance(inner, Mapping) else ():
            yield f"{path}.{outer}.{key}", f"{TASK_SCHEMA}.properties.{outer}.properties.{key}", value
    following = task.get("next")
    for index, transition in enumerate(following if isinstance(following, list) else ()):
        for key, value in transition.items() if isinstance(transition, Mapping) else ():
            yield f"{path}.next[{index}].{key}", f"{TASK_SCHEMA}{_NEXT}{key}", value


def semantic_errors(graph: Graph) -> Iterator[Entry]:
    """Names, targets, joins and starts that cannot work."""
    if not graph.start:
        message = (
            "No task can start the workflow: every task follows another. Add a task that leads into the loop."
        )
        yield entry("semantic", message, "tasks", "properties.tasks")
    for name, task in graph.tasks.items():
        if name in RESERVED:
            message = f'The task name "{name}" is reserved with special function.'
            yield entry("semantic", message, f"tasks.{name}", TASK_SCHEMA)
        if task.items is not None and task.action is None:
            message = "The action property is required for with items task."
            yield entry("semantic", message, f"tasks.{name}", TASK_SCHEMA)
        yield from _undefined(graph, name)
    yield from _unreachable(graph)


def _undefined(graph: Graph, name: str) -> Iterator[Entry]:
    for transition in graph.tasks[name].transitions:
        for target in transition.do:
            if target not in graph.tasks and target not in RESERVED:
                where = f"tasks.{name}.next[{transition.index}].do"
                message = f'The task "{target}" is not defined.'
                yield entry("semantic", message, where, f"{TASK_SCHEMA}{_NEXT}do")


def _unreachable(graph: Graph) -> Iterator[Entry]:
    """Joins that cannot start: too few tasks lead there, or they come from different levels of nested splits."""
    splits = _splits(graph)
    for name in graph.tasks:
        if not graph.joins(name):
            continue
        before = graph.predecessors(name)
        if graph.needed(name) > len(before):
            message = (
                f'The join task "{name}" waits for {graph.needed(name)} tasks, but {len(before)} lead to it.'
            )
            yield entry("semantic", message, f"tasks.{name}", TASK_SCHEMA)
        elif any(splits[source] != splits[name] for source in before):
            message = (
                f'The join task "{name}" is unreachable: tasks that lead to it run on different levels of '
                "nested forks (tasks referenced more than once without a join), so it is not clear on which "
                "level they should meet."
            )
            yield entry("semantic", message, f"tasks.{name}", TASK_SCHEMA)


def _splits(graph: Graph) -> Mapping[str, frozenset[str]]:
    """Task → the split tasks on the ways to it, itself included."""
    found = {name: frozenset({name} & graph.split) for name in graph.tasks}
    waiting = list(graph.tasks)
    while waiting:
        name = waiting.pop()
        for edge in graph.edges[name]:
            if edge.target in found and not found[name] <= found[edge.target]:
                found[edge.target] |= found[name]
                waiting.append(edge.target)
    return found
