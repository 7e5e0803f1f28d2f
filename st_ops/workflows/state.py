"""Where a workflow is: the fold of its facts. ``apply`` is the only thing that changes a State, live and in replay.

Every fact costs the same however many tasks have run: nothing is copied and nothing searched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from st_ops.model.status import Status
from st_ops.workflows import facts as f
from st_ops.workflows.context import Context
from st_ops.workflows.graph import COMMANDS

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
    #: The contexts with which it reached a command or came late to a join, which end its branch.
    ends: list[Context] = field(default_factory=list)
    #: The commands it reached.
    commands: set[str] = field(default_factory=set)

    @property
    def failed_its_branch(self) -> bool:
        """True when it failed and nothing made up for it."""
        return self.status is Status.FAILED and (not self.left or bool(self.commands & {"fail", "continue"}))

    def count(self, *statuses: Status) -> int:
        """How many of the present children are in one of ``statuses``."""
        return sum(self.counts.get(status, 0) for status in statuses)


@dataclass(slots=True)
class State:
    """A workflow's state. Change it by ``apply`` only."""

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
    routes: list[tuple[int, str]] = field(default_factory=lambda: [(-1, "")])
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


def replay(log: Iterable[f.Fact]) -> State:
    """The state after all facts of ``log``, in order."""
    state = State()
    for fact in log:
        apply(state, fact)
    return state


def apply(state: State, fact: f.Fact) -> None:
    """Fold ``fact`` into ``state``."""
    state.position += 1
    _APPLY[fact.kind](state, fact)


def _workflow_started(state: State, fact: f.WorkflowStarted) -> None:
    state.status = Status.RUNNING
    state.inputs = fact.inputs
    state.root = state.last = Context.of(fact.variables, deep=fact.dialect == "orquesta")
    for name in fact.start:
        state.ready[name, 0] = Staged(name, 0, [Arrival("", "", state.root)], state.root)


def _task_started(state: State, fact: f.TaskStarted) -> None:
    place = (fact.name, fact.route)
    staged = state.ready.pop(place)
    run = Run(
        key=fact.key,
        name=fact.name,
        route=fact.route,
        context=staged.context,
        arrivals=staged.arrivals,
        items=fact.items,
        concurrency=fact.concurrency,
        retries=fact.retries,
        retry_delay=fact.retry_delay,
        delay=fact.delay,
    )
    state.runs[fact.key] = run
    state.latest[place] = fact.key
    state.visits[place] = fact.visit
    _open_items(state, run, range(len(fact.items or ())))


def _open_items(state: State, run: Run, items: Iterable[int]) -> None:
    run.remaining = deque(items)
    if run.remaining:
        state.unfilled[run.key] = None


def _task_requested(state: State, fact: f.TaskRequested) -> None:
    run = state.runs[fact.run]
    state.children[fact.key] = Child(fact.key, fact.run, fact.item, fact.attempt)
    run.children.append(fact.key)
    run.current[fact.item] = fact.key
    run.attempt = fact.attempt
    run.counts[Status.RUNNING] = run.count(Status.RUNNING) + 1
    state.active += 1
    state.retrying.pop(fact.run, None)
    if fact.item is not None:
        run.remaining.popleft()  # items are requested in order
        if not run.remaining:
            state.unfilled.pop(fact.run, None)


def _move_child(state: State, key: str, status: Status) -> None:
    child = state.children[key]
    counts = state.runs[child.run].counts
    for moved, step in ((child.status, -1), (status, 1)):
        counts[moved] = counts.get(moved, 0) + step
        if moved is Status.RUNNING:
            state.active += step
        elif moved in (Status.PAUSED, Status.PENDING):
            state.halted += step
    child.status = status


def _action_finished(state: State, fact: f.ActionFinished) -> None:
    _move_child(state, fact.key, fact.status)


def _action_paused(state: State, fact: f.ActionPaused) -> None:
    _move_child(state, fact.key, fact.status)


def _action_resumed(state: State, fact: f.ActionResumed) -> None:
    _move_child(state, fact.key, Status.RUNNING)


def _task_retried(state: State, fact: f.TaskRetried) -> None:
    run = state.runs[fact.key]
    run.attempt = fact.attempt
    run.counts = {}
    if run.items is None:
        state.retrying[fact.key] = None
    else:
        _open_items(state, run, range(len(run.items)))


def _task_completed(state: State, fact: f.TaskCompleted) -> None:
    run = state.runs[fact.key]
    run.status, run.ended = fact.status, fact.ended
    run.left, run.ends, run.commands = False, [], set()
    run.remaining = deque()
    state.retrying.pop(fact.key, None)
    state.unfilled.pop(fact.key, None)


def _transition_taken(state: State, fact: f.TransitionTaken) -> None:
    run = state.runs[fact.key]
    run.left = True
    context = run.context.publish(fact.published, state.position) if fact.published else run.context
    state.last = context
    for target in fact.targets:
        if target.name in COMMANDS:
            _next_route(state, run.route, target)
            run.ends.append(context)
            run.commands.add(target.name)
        else:
            _stage(state, target, _next_route(state, run.route, target), Arrival(run.name, run.key, context))


def _next_route(state: State, route: int, target: f.Target) -> int:
    if not target.new_route:
        return route
    state.routes.append((route, target.edge))
    return len(state.routes) - 1


def _stage(state: State, target: f.Target, route: int, arrival: Arrival) -> None:
    """Add an arrival to what is staged for the target. A join that has started takes no late arrivals."""
    place = (target.name, route)
    joined = None if target.again else state.joined.get(place)
    if joined is not None and arrival.run:
        joined.add(arrival.source)
        state.runs[arrival.run].ends.append(arrival.context)
        return
    staged = state.ready.get(place) or state.waiting.pop(place, None)
    if staged is None:
        staged = Staged(target.name, route, [arrival], arrival.context)
    else:
        staged.arrivals.append(arrival)
        staged.context = staged.context.merge(arrival.context, state.position)
    sources = {one.source for one in staged.arrivals}
    if len(sources) >= (target.needs or 1):
        state.ready[place] = staged
        if target.needs is not None:
            state.joined[place] = sources
    else:
        state.waiting[place] = staged


def _error_recorded(state: State, fact: f.ErrorRecorded) -> None:
    state.errors.append((fact.error, fact.key))


def _workflow_failing(state: State, fact: f.WorkflowFailing) -> None:
    state.failing = state.failing or fact.status
    if state.status in (Status.PAUSING, Status.PAUSED):
        state.status = Status.RUNNING
    for staged in state.ready.values():
        staged.on_fail = bool(fact.key) and staged.arrivals[-1].run == fact.key


def _workflow_moved(state: State, fact: f.WorkflowMoved) -> None:
    state.status, state.cause = fact.status, fact.cause


def _workflow_finished(state: State, fact: f.WorkflowFinished) -> None:
    state.status, state.output = fact.status, fact.output


def _workflow_rerun(state: State, fact: f.WorkflowRerun) -> None:
    state.status, state.cause, state.failing, state.output = Status.RUNNING, "request", None, None
    for staged in state.ready.values():
        staged.on_fail = False
    for key in fact.restarted:
        run = state.runs[key]
        state.errors = [entry for entry in state.errors if entry[0].get("task_id") not in (run.name, "fail")]
        if run.items:
            _reopen(state, run, everything=key in fact.reset)
        else:
            state.ready[run.name, run.route] = Staged(run.name, run.route, run.arrivals, run.context)
    _forget_after(state, set(fact.restarted))


def _reopen(state: State, run: Run, *, everything: bool) -> None:
    """Run a with-items task on: the items that did not succeed, or all of them."""
    run.status, run.ended = Status.RUNNING, None
    run.attempt += 1
    done = {} if everything else {item: state.children[key] for item, key in run.current.items()}
    succeeded = {item for item, child in done.items() if child.status is Status.SUCCEEDED}
    run.counts = {Status.SUCCEEDED: len(succeeded)}
    _open_items(state, run, (item for item in range(len(run.items or ())) if item not in succeeded))


def _forget_after(state: State, restarted: set[str]) -> None:
    """Take back what ``restarted`` and the runs after them left: ended branches, and their part in joins."""
    gone = set(restarted)
    for key, run in state.runs.items():  # in the order they started, so predecessors come first
        if any(arrival.run in gone for arrival in run.arrivals):
            gone.add(key)
    anew = {(state.runs[key].name, state.runs[key].route) for key in restarted}
    pending = {place: staged.arrivals for place, staged in (*state.ready.items(), *state.waiting.items())}
    for key in gone:
        run = state.runs[key]
        run.ends, run.left = [], True
        if key not in restarted and state.joined.pop((run.name, run.route), None) is not None:
            pending.setdefault((run.name, run.route), run.arrivals)
    for place, arrivals in pending.items():
        kept = [arrival for arrival in arrivals if arrival.run not in gone]
        if place in anew or len(kept) == len(arrivals):
            continue
        state.ready.pop(place, None)
        state.waiting.pop(place, None)
        if kept:
            state.waiting[place] = _fold(state, place, kept)


def _fold(state: State, place: Place, arrivals: list[Arrival]) -> Staged:
    context = arrivals[0].context
    for arrival in arrivals[1:]:
        context = context.merge(arrival.context, state.position)
    return Staged(*place, arrivals, context)


def counts_as(status: Status) -> Status:
    """How a child that ended as ``status`` counts for its task: succeeded, failed or canceled."""
    return _OUTCOME[status]


_APPLY: dict[str, Callable[[State, Any], None]] = {
    "workflow_started": _workflow_started,
    "task_started": _task_started,
    "task_requested": _task_requested,
    "action_finished": _action_finished,
    "action_paused": _action_paused,
    "action_resumed": _action_resumed,
    "task_retried": _task_retried,
    "task_completed": _task_completed,
    "transition_taken": _transition_taken,
    "error_recorded": _error_recorded,
    "workflow_failing": _workflow_failing,
    "workflow_moved": _workflow_moved,
    "workflow_finished": _workflow_finished,
    "workflow_rerun": _workflow_rerun,
}
