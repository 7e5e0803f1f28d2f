"""The action-chain dialect: StackStorm's older workflows, one task after another, to a Graph (reference 1.8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft4Validator

from st_ops.expressions.jinja import is_template
from st_ops.workflows.dialects.document import Document, Path, read
from st_ops.workflows.dialects.entry import Entry, dotted, entry
from st_ops.workflows.graph import Graph, Task, Transition

_TEXT = {"type": "string", "minLength": 1}
_TARGET = {"type": ["string", "null"]}
_NODE = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "ref": _TEXT,
        "params": {"type": ["object", "null"]},
        "parameters": {"type": ["object", "null"]},
        "on-success": _TARGET,
        "on-failure": _TARGET,
        "publish": {"type": ["object", "null"]},
        "notify": {"type": ["object", "null"]},
    },
    "required": ["name", "ref"],
    "additionalProperties": False,
}
_VALIDATOR = Draft4Validator(
    {
        "type": "object",
        "properties": {
            "chain": {"type": "array", "items": _NODE, "minItems": 1},
            "default": _TARGET,
            "vars": {"type": ["object", "null"]},
        },
        "required": ["chain"],
        "additionalProperties": False,
    }
)


def inspect(text: str) -> tuple[Graph | None, list[Entry]]:
    """The graph of ``text`` and everything wrong with it; the graph is None when the form is wrong."""
    document = read(text)
    errors = list(_syntax(document))
    if errors:
        return None, errors
    graph = compiled(document)
    return graph, list(_semantic(document, graph))


def compiled(document: Document) -> Graph:
    """The graph of a document whose form is right."""
    data = document.data
    tasks = {
        node["name"]: _task(node, document.line(("chain", index))) for index, node in enumerate(data["chain"])
    }
    return Graph(
        dialect="action-chain",
        tasks=tasks,
        start=(data.get("default") or _first(data["chain"]),),
        variables=tuple((data.get("vars") or {}).items()),
    )


def _task(node: Mapping[str, Any], line: int) -> Task:
    """Published variables count whether the task succeeded or not, so both ways out publish them."""
    publish = tuple((node.get("publish") or {}).items())
    return Task(
        name=node["name"],
        action=node["ref"],
        input=node.get("parameters") or node.get("params") or {},
        transitions=(
            Transition(
                index=0, outcome="succeeded", publish=publish, do=(node.get("on-success") or "continue",)
            ),
            Transition(
                index=1, outcome="failed", publish=publish, do=(node.get("on-failure") or "continue",)
            ),
        ),
        notify=node.get("notify"),
        line=line,
    )


def _first(chain: list[Mapping[str, Any]]) -> str:
    """Where a chain without ``default`` starts: the first task no other leads to, or else the first."""
    targets = {node.get(way) for node in chain for way in ("on-success", "on-failure")}
    first: str = next((node["name"] for node in chain if node["name"] not in targets), chain[0]["name"])
    return first


def _syntax(document: Document) -> Iterator[Entry]:
    for problem in document.problems:
        yield {**entry("syntax", problem.message, dotted(problem.path), None), "line": problem.line}
    if document.data is None:
        return
    for error in _VALIDATOR.iter_errors(document.data):
        path = tuple(error.absolute_path)
        found = entry(
            "syntax", error.message, dotted(path) or None, dotted(error.absolute_schema_path) or None
        )
        yield {**found, "line": document.line(path)}


def _semantic(document: Document, graph: Graph) -> Iterator[Entry]:
    seen: set[str] = set()
    for index, node in enumerate(document.data["chain"]):
        path: Path = ("chain", index)
        if node["name"] in seen:
            yield _at(document, (*path, "name"), f'The task name "{node["name"]}" is given twice.')
        seen.add(node["name"])
        if node.get("params") and node.get("parameters"):
            message = f'Task "{node["name"]}" has both "params" and "parameters"; give one of them.'
            yield _at(document, path, message)
        for way in ("on-success", "on-failure"):
            if not _known(graph, node.get(way)):
                message = f'Task "{node["name"]}" leads to "{node[way]}" ({way}), but there is no such task.'
                yield _at(document, (*path, way), message)
    if graph.start[0] not in graph.tasks:
        yield _at(document, ("default",), f'The default task "{graph.start[0]}" is not a task of the chain.')


def _known(graph: Graph, target: str | None) -> bool:
    """True when a task can be there; what a template names is known only at run time."""
    return not target or target in graph.tasks or is_template(target)


def _at(document: Document, path: Path, message: str) -> Entry:
    return {**entry("semantic", message, dotted(path), None), "line": document.line(path)}
