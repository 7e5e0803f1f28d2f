"""The Orquesta dialect: YAML text to a Graph (reference 1.9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from st_ops.workflows.dialects.document import Document
from st_ops.workflows.dialects.shorthand import inline_pairs, split_action, split_items, target_names
from st_ops.workflows.graph import Graph, Items, Retry, Task, Transition

#: How often the command ``retry`` runs a task again.
_RETRY_COMMAND_COUNT = 3


def compiled(document: Document) -> Graph:
    """The graph of a document that passed ``inspection.syntax``."""
    data = document.data
    tasks = {
        name: _task(name, written or {}, document.line(("tasks", name)))
        for name, written in data["tasks"].items()
    }
    graph = Graph(dialect="orquesta", tasks=tasks, start=())
    return Graph(
        dialect="orquesta",
        tasks=tasks,
        start=tuple(sorted(name for name in tasks if name not in graph.inbound)),
        inputs=tuple(_named(data.get("input"))),
        variables=tuple(_named(data.get("vars"))),
        output=tuple(_named(data.get("output"))),
        description=data.get("description") or "",
    )


def _named(items: Any) -> Iterable[tuple[str, Any]]:
    """(name, value) of each item: a one-key map, or a name alone."""
    for item in items or ():
        if isinstance(item, Mapping):
            yield from item.items()
        else:
            yield item, None


def _task(name: str, written: Mapping[str, Any], line: int) -> Task:
    action, inline = split_action(written.get("action") or "")
    following = written.get("next") or ()
    return Task(
        name=name,
        action=action or None,
        input=inline if inline is not None else written.get("input") or {},
        items=_items(written.get("with")),
        join=written.get("join"),
        delay=written.get("delay"),
        retry=_retry_command(following) or _retry(written.get("retry")),
        transitions=tuple(_transitions(following)),
        line=line,
    )


def _items(written: Any) -> Items | None:
    if not written:
        return None
    text = written if isinstance(written, str) else written.get("items") or ""
    names, expression = split_items(text) or ((), text)
    concurrency = None if isinstance(written, str) else written.get("concurrency")
    return Items(expression=expression, names=names, concurrency=concurrency)


def _retry(written: Mapping[str, Any] | None) -> Retry | None:
    if not written:
        return None
    return Retry(count=written["count"], when=written.get("when"), delay=written.get("delay"))


def _retry_command(following: Iterable[Mapping[str, Any]]) -> Retry | None:
    """The retry that ``do: retry`` stands for."""
    for transition in following:
        if "retry" in target_names(transition.get("do")):
            return Retry(count=_RETRY_COMMAND_COUNT, when=transition.get("when") or "<% completed() %>")
    return None


def _transitions(following: Iterable[Mapping[str, Any]]) -> Iterable[Transition]:
    for index, written in enumerate(following):
        targets = tuple(name for name in target_names(written.get("do")) if name != "retry")
        if targets:
            publish = written.get("publish")
            pairs = inline_pairs(publish) if isinstance(publish, str) else _named(publish)
            yield Transition(index=index, when=written.get("when"), publish=tuple(pairs), do=targets)
