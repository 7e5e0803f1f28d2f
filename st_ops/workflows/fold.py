"""Folding facts into a state, live and in replay alike.

Every fact costs the same however many tasks have run: nothing is copied and nothing searched. (Only a
rerun, which a person asks for, looks through the runs.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from st_ops.model.status import Status
from st_ops.workflows import facts as f
from st_ops.workflows.context import Context
from st_ops.workflows.graph import COMMANDS
from st_ops.workflows.rerunning import open_items, take_up
from st_ops.workflows.state import Arrival, Child, Run, Staged, State


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
        state.ready[name, 0] = Staged(name, 0, [Arrival("", "", state.root)], state.root, {""})


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
    open_items(state, run, range(len(fact.items or ())))


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
        open_items(state, run, range(len(run.items)))


def _task_completed(state: State, fact: f.TaskCompleted) -> None:
    run = state.runs[fact.key]
    run.status, run.ended = fact.status, fact.ended
    run.left, run.late, run.ends, run.commands = False, state.failing is not None, [], set()
    run.remaining = deque()
    state.retrying.pop(fact.key, None)
    state.unfilled.pop(fact.key, None)


def _transition_taken(state: State, fact: f.TransitionTaken) -> None:
    run = state.runs[fact.key]
    run.left = True
    context = run.context.publish(fact.published, state.position) if fact.published else run.context
    state.last = context
    for target in fact.targets:
        if target.edge:
            state.routes[target.route] = (run.route, target.edge)
        if target.name in COMMANDS:
            run.ends.append(context)
            run.commands.add(target.name)
        else:
            _stage(state, target, Arrival(run.name, run.key, context))


def _stage(state: State, target: f.Target, arrival: Arrival) -> None:
    """Add an arrival to what is staged for the target. A join that has started takes no late arrivals."""
    place = (target.name, target.route)
    staged = state.ready.get(place) or state.waiting.pop(place, None)
    if staged is None and not target.again and place in state.joined:
        state.joined[place].add(arrival.source)
        state.runs[arrival.run].ends.append(arrival.context)
        return
    if staged is None:
        staged = Staged(target.name, target.route, [arrival], arrival.context, {arrival.source})
    else:
        staged.arrivals.append(arrival)
        staged.sources.add(arrival.source)
        staged.context = staged.context.merge(arrival.context, state.position)
    if len(staged.sources) >= (target.needs or 1):
        state.ready[place] = staged
        if target.needs is not None:
            state.joined[place] = staged.sources
    else:
        state.waiting[place] = staged


def _error_recorded(state: State, fact: f.ErrorRecorded) -> None:
    state.errors.append((fact.error, fact.key))


def _workflow_failing(state: State, fact: f.WorkflowFailing) -> None:
    state.failing = state.failing or fact.status
    if state.status in (Status.PAUSING, Status.PAUSED):
        state.status = Status.RUNNING
    for staged in state.ready.values():
        by_it = bool(fact.key) and staged.arrivals[-1].run == fact.key
        staged.on_fail = not fact.drop and (staged.on_fail or by_it)


def _workflow_moved(state: State, fact: f.WorkflowMoved) -> None:
    state.status, state.cause = fact.status, fact.cause


def _workflow_finished(state: State, fact: f.WorkflowFinished) -> None:
    state.status, state.output = fact.status, fact.output


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
    "workflow_rerun": take_up,
}
