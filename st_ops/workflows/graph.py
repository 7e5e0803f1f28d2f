"""The one internal form of a workflow: what every dialect compiles to and the conductor walks.

A graph is static and frozen. Values that may hold expressions (``Any`` below) are kept as written;
the conductor renders them when they are due.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from st_ops.workflows.cycles import on_cycles

#: Names that may stand where a task's name stands and act on the workflow instead (Orquesta 1.9).
COMMANDS = frozenset({"continue", "noop", "fail"})

#: ``retry`` is a command too, but it is compiled into the task's retry and never travelled.
RESERVED = COMMANDS | {"retry"}

Dialect = Literal["orquesta", "action-chain"]


@dataclass(frozen=True, kw_only=True)
class Transition:
    """One way out of a task.

    ``when``: an expression, or None for always. ``outcome`` narrows it to tasks that ended so
    (action chain). ``do``: task names and commands, in the order written; a name may be a template
    in an action chain, known only at run time.
    """

    index: int
    when: str | None = None
    outcome: Literal["any", "succeeded", "failed"] = "any"
    publish: tuple[tuple[str, Any], ...] = ()
    do: tuple[str, ...] = ("continue",)


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Run the task again: up to ``count`` more times, ``delay`` seconds apart, while ``when`` holds.

    ``when`` None = while the task failed. ``count`` and ``delay`` may be expressions giving integers.
    """

    count: int | str
    when: str | None = None
    delay: int | str | None = None


@dataclass(frozen=True, kw_only=True)
class Items:
    """Run the task's action once per item of a list.

    ``names`` unpack an item (``a, b in <% … %>``). ``concurrency``: how many at once; None = all.
    """

    expression: str
    names: tuple[str, ...] = ()
    concurrency: int | str | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task. ``action`` None = it succeeds at once. ``join``: how many distinct tasks must lead here first."""

    name: str
    action: str | None = None
    input: Any = field(default_factory=dict)
    items: Items | None = None
    join: int | Literal["all"] | None = None
    delay: int | str | None = None
    retry: Retry | None = None
    transitions: tuple[Transition, ...] = ()
    notify: Mapping[str, Any] | None = None
    line: int = 0


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One target of one transition. ``key`` tells apart several edges between the same two tasks."""

    source: str
    target: str
    transition: int
    key: int

    @property
    def id(self) -> str:
        """How an error names this edge: ``<target>__t<key>`` (Orquesta's form)."""
        return f"{self.target}__t{self.key}"


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A whole workflow. ``inputs``, ``variables`` and ``output`` are (name, value) in the order written."""

    dialect: Dialect
    tasks: Mapping[str, Task]
    start: tuple[str, ...]
    inputs: tuple[tuple[str, Any], ...] = ()
    variables: tuple[tuple[str, Any], ...] = ()
    output: tuple[tuple[str, Any], ...] = ()
    description: str = ""

    @cached_property
    def edges(self) -> Mapping[str, tuple[Edge, ...]]:
        """Task name → its outgoing edges, by target and then by transition (the order Orquesta walks them)."""
        return {name: _edges_of(task) for name, task in self.tasks.items()}

    @cached_property
    def inbound(self) -> Mapping[str, tuple[Edge, ...]]:
        """Target (task or command) → the edges that lead to it."""
        found: dict[str, list[Edge]] = {}
        for edges in self.edges.values():
            for edge in edges:
                found.setdefault(edge.target, []).append(edge)
        return {target: tuple(edges) for target, edges in found.items()}

    @cached_property
    def cyclic(self) -> frozenset[str]:
        """The tasks that can lead back to themselves."""
        return frozenset(on_cycles({name: {e.target for e in edges} for name, edges in self.edges.items()}))

    @cached_property
    def split(self) -> frozenset[str]:
        """Targets that start a new route for each edge that leads there: referenced twice, no join, no cycle.

        An action chain has a single thread and so no routes.
        """
        if self.dialect == "action-chain":
            return frozenset()
        return frozenset(
            target
            for target, edges in self.inbound.items()
            if len(edges) > 1 and not self.joins(target) and target not in self.cyclic
        )

    def joins(self, name: str) -> bool:
        """True when ``name`` is a task that waits for others."""
        return name in self.tasks and self.tasks[name].join is not None

    def needed(self, name: str) -> int:
        """How many distinct tasks must have led to join ``name`` before it starts."""
        join = self.tasks[name].join
        return len(self.predecessors(name)) if join == "all" else int(join or 1)

    def predecessors(self, name: str) -> tuple[str, ...]:
        """The tasks that lead to ``name``, sorted."""
        return self._sources.get(name, ())

    @cached_property
    def _sources(self) -> Mapping[str, tuple[str, ...]]:
        return {name: tuple(sorted({edge.source for edge in edges})) for name, edges in self.inbound.items()}


def _edges_of(task: Task) -> tuple[Edge, ...]:
    keys: dict[str, int] = {}
    edges = []
    for transition in task.transitions:
        for target in dict.fromkeys(transition.do):
            key = keys[target] = keys.get(target, -1) + 1
            edges.append(Edge(source=task.name, target=target, transition=transition.index, key=key))
    return tuple(sorted(edges, key=lambda edge: edge.target))
