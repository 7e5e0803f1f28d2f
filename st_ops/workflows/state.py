"""Where a workflow is. ``fold.apply`` is the only thing that changes a State, live and in replay."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from st_ops.model.status import Status
from st_ops.workflows.context import Context

Place = tuple[str, int]  # task name, route

#: How a child's end counts for its task.
_OUTCOME = {
    Status.SUCCEEDED: Status.SUCCEEDED,
    Status.CANCELED: Status.CANCELED,
    Status.FAILED: Status.FAILED,
    Status.TIMEOUT: Status.FAILED,
    Status.ABANDONED: Status.FAILED,
}


@dataclass(slots=True)
class Arrival:
    """One run that led to a task, and the context it came with. ``run`` is "" for a start task."""

    source: str
    run: str
    context: Context


@dataclass(slots=True)
class Staged:
    """A task that is due, or a join that waits for more arrivals."""

    name: str
    route: int
    arrivals: list[Arrival]
    context: Context
    #: The distinct tasks among the arrivals.
    sources: set[str]
    #: Runs even though the workflow fails: clean-up named beside the command ``fail``.
    on_fail: bool = False


@dataclass(slots=True)
class Child:
    """One child execution. ``status`` is running until it is paused, pending or over."""

    key: str
    run: str
    item: int | None
    attempt: int
    status: Status = Status.RUNNING


@dataclass(slots=True)
class Run:
    """One run of a task, with all its tries and items."""

    key: str
    name: str
    route: int
    context: Context
    arrivals: list[Arrival]
    items: list[Any] | None = None
    concurrency: int | None = None
    retries: int = 0
    retry_delay: int = 0
    delay: int = 0
    attempt: int = 1
    status: Status = Status.RUNNING
    ended: Status | None = None
    #: Keys of all children, in the order requested.
    children: list[str] = field(default_factory=list)
    #: Item index (None = the task itself) → key of its latest child.
    current: dict[int | None, str] = field(default_factory=dict)
    #: Items that have not been requested, in order.
    remaining: deque[int] = field(default_factory=deque)
    #: How many present children are active, and how many ended or halted in which way.
    counts: dict[Status, int] = field(default_factory=dict)
    #: True once it left by a transition.
    left: bool = False
    #: True when it ended while the workflow was bound to fail, so that nothing follows it.
    late: bool = False
    #: The contexts with which it reached a command or came late to a join, which end its branch.
    ends: list[Context] = field(default_factory=list)
    #: The commands it reached.
    commands: set[str] = field(default_factory=set)

    @property
    def ends_its_branch(self) -> bool:
        """True when it is the last of its branch (or among the last, when the workflow failed meanwhile)."""
        return not self.left or self.late

    @property
    def failed_its_branch(self) -> bool:
        """True when it failed and nothing made up for it."""
        return self.status is Status.FAILED and (not self.left or bool(self.commands & {"fail", "continue"}))

    def count(self, *statuses: Status) -> int:
        """How many of the present children are in one of ``statuses``."""
        return sum(self.counts.get(status, 0) for status in statuses)


@dataclass(slots=True)
class State:
    """A workflow's state. Change it by ``fold.apply`` only."""

    status: Status = Status.REQUESTED
    #: Why the status is paused: a person asked, or all that could run waits (an inquiry, a paused sub-workflow).
    cause: str = "request"
    #: How the workflow will end, once it is bound to fail.
    failing: Status | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    root: Context = field(default_factory=Context)
    #: The most recently published context: an action chain's variables.
    last: Context = field(default_factory=Context)
    runs: dict[str, Run] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)
    latest: dict[Place, str] = field(default_factory=dict)
    visits: dict[Place, int] = field(default_factory=dict)
    ready: dict[Place, Staged] = field(default_factory=dict)
    waiting: dict[Place, Staged] = field(default_factory=dict)
    #: Joins that have started, with the tasks that had led to them.
    joined: dict[Place, set[str]] = field(default_factory=dict)
    retrying: dict[str, None] = field(default_factory=dict)
    #: Runs with items not yet requested.
    unfilled: dict[str, None] = field(default_factory=dict)
    #: Route number → (the route it left, by which edge).
    routes: dict[int, tuple[int, str]] = field(default_factory=lambda: {0: (-1, "")})
    active: int = 0
    halted: int = 0
    #: (entry, key of the child whose result belongs to it or "")
    errors: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    output: dict[str, Any] | None = None
    #: Facts applied so far.
    position: int = 0

    @property
    def finished(self) -> bool:
        """True when the workflow has ended (a rerun may still take it up again)."""
        return self.status.terminal

    def run_on(self, name: str, route: int) -> Run | None:
        """The latest run of ``name`` on ``route``, or on the nearest route that ``route`` left."""
        while route >= 0:
            if (name, route) in self.latest:
                return self.runs[self.latest[name, route]]
            route = self.routes[route][0]
        return None

    def has_passed(self, route: int, edge: str) -> bool:
        """True when ``route`` began by ``edge``, or left a route that did."""
        while route >= 0:
            parent, by = self.routes[route]
            if by == edge:
                return True
            route = parent
        return False


def counts_as(status: Status) -> Status:
    """How a child that ended as ``status`` counts for its task: succeeded, failed or canceled."""
    return _OUTCOME[status]
