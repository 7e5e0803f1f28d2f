"""Taking a finished workflow up again: which runs begin anew, and what they and their followers had left."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from st_ops.errors import InvalidInput
from st_ops.model.status import Status
from st_ops.workflows.context import Context
from st_ops.workflows.facts import WorkflowRerun
from st_ops.workflows.state import Arrival, Place, Run, Staged, State


def to_restart(state: State, tasks: tuple[str, ...]) -> list[str]:
    """The keys of the runs that a rerun of ``tasks`` restarts; without names, of those that failed their branch.

    Of runs that follow from each other only the first: the rest runs again by itself.
    Raises InvalidInput for a name that never ran, and when there is nothing to restart.
    """
    latest = [state.runs[key] for key in state.latest.values()]
    if not tasks:
        failed = [run.key for run in latest if run.failed_its_branch]
        if not failed and not state.ready and not state.unfilled:
            raise InvalidInput("No task of this workflow failed; name the tasks to rerun.", where="tasks")
        return failed
    unknown = ", ".join(sorted(set(tasks) - {run.name for run in latest}))
    if unknown:
        raise InvalidInput(f"Cannot rerun {unknown}: no such task has run in this workflow.", where="tasks")
    wanted = [run.key for run in latest if run.name in tasks]
    after = _followers(state, set(wanted))
    return [key for key in wanted if key not in after]


def _followers(state: State, keys: set[str]) -> set[str]:
    """The runs that came of one of ``keys``, at any distance."""
    found: set[str] = set()
    for key, run in state.runs.items():  # in the order they started, so predecessors come first
        if any(arrival.run in keys or arrival.run in found for arrival in run.arrivals):
            found.add(key)
    return found


def open_items(state: State, run: Run, items: Iterable[int]) -> None:
    """Make ``items`` (their indexes) those that ``run`` has yet to request."""
    run.remaining = deque(items)
    if run.remaining:
        state.unfilled[run.key] = None


def take_up(state: State, fact: WorkflowRerun) -> None:
    """Fold a rerun into ``state``."""
    state.status, state.cause, state.failing, state.output = Status.RUNNING, "request", None, None
    for staged in state.ready.values():
        staged.on_fail = False
    # Those of the output, which is made anew at the end.
    state.errors = [entry for entry in state.errors if "task_id" in entry[0]]
    for key in fact.restarted:
        run = state.runs[key]
        state.errors = [entry for entry in state.errors if entry[0].get("task_id") not in (run.name, "fail")]
        if run.items:
            _reopen(state, run, everything=key in fact.reset)
        else:
            state.ready[run.name, run.route] = _staged(run.name, run.route, run.arrivals, run.context)
    _forget_after(state, set(fact.restarted))


def _reopen(state: State, run: Run, *, everything: bool) -> None:
    """Run a with-items task on: the items that did not succeed, or all of them."""
    run.status, run.ended = Status.RUNNING, None
    run.attempt += 1
    done = {} if everything else {item: state.children[key] for item, key in run.current.items()}
    succeeded = {item for item, child in done.items() if child.status is Status.SUCCEEDED}
    run.counts = {Status.SUCCEEDED: len(succeeded)}
    open_items(state, run, (item for item in range(len(run.items or ())) if item not in succeeded))


def _forget_after(state: State, restarted: set[str]) -> None:
    """Take back what ``restarted`` and the runs after them left: ended branches, and their part in joins."""
    gone = restarted | _followers(state, restarted)
    anew = {(state.runs[key].name, state.runs[key].route) for key in restarted}
    pending = {place: staged.arrivals for place, staged in (*state.ready.items(), *state.waiting.items())}
    for key in gone:
        run = state.runs[key]
        run.ends, run.left, run.late = [], True, False
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
    return _staged(*place, arrivals, context)


def _staged(name: str, route: int, arrivals: list[Arrival], context: Context) -> Staged:
    return Staged(name, route, arrivals, context, {arrival.source for arrival in arrivals})
