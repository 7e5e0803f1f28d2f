"""What follows next in a workflow. Pure: no store, no bus, no clock, no log.

``Conductor.decide`` turns one signal into facts, applying each to the state as it decides it, so that
the state it leaves is the one a replay of the log gives. A caller whose commit of the facts fails
throws the state away and replays. The same state and signal always give the same facts.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from st_ops.errors import Conflict, NotFound
from st_ops.model.status import Status
from st_ops.workflows import facts as f
from st_ops.workflows import signals as s
from st_ops.workflows.branching import FAILED_ACTION, Branching
from st_ops.workflows.graph import Graph
from st_ops.workflows.opening import opening
from st_ops.workflows.output import rendered_output, unreachable
from st_ops.workflows.preparing import Prepared, Request, prepare, request
from st_ops.workflows.rendering import EXPECTED, Rendering, described
from st_ops.workflows.rerunning import to_restart
from st_ops.workflows.state import Child, Run, Staged, State, counts_as

#: Most tasks without an action that may complete in one decision: past it they loop without end.
MAX_INSTANT = 10_000


class Conductor:
    """Decides for one workflow definition. Build one per graph; it keeps nothing between decisions."""

    def __init__(self, graph: Graph, rendering: Rendering) -> None:
        self._graph = graph
        self._rendering = rendering

    def decide(self, state: State, signal: s.Signal, world: s.World) -> list[f.Fact]:
        """The facts that follow from ``signal``, already applied to ``state``; [] when it changes nothing.

        Raises NotFound for a child that was never requested, Conflict for a rerun of what is not over,
        InvalidInput for a rerun of a task that never ran.
        """
        decision = _Decision(self._graph, self._rendering, state, world)
        decision.take(signal)
        return decision.facts


class _Decision(Branching):
    """One call of ``decide``."""

    def take(self, signal: s.Signal) -> None:
        handlers: dict[type[Any], Callable[[Any], None]] = {
            s.Start: self._start,
            s.TaskFinished: self._finished,
            s.TaskRejected: self._rejected,
            s.TaskPaused: self._paused,
            s.TaskResumed: self._resumed,
            s.PauseRequested: self._pause,
            s.ResumeRequested: self._resume,
            s.CancelRequested: self._cancel,
            s.RerunRequested: self._rerun,
        }
        if self.state.finished and not isinstance(signal, s.RerunRequested):
            return
        handlers[type(signal)](signal)
        self._settle()

    # What each signal means.

    def _start(self, signal: s.Start) -> None:
        if self.state.status is not Status.REQUESTED:
            return
        started, errors = opening(self.graph, signal, self.evaluate, self.scope)
        self.emit(started)
        for error in errors:
            self.emit(f.ErrorRecorded(error=error))
        if errors:
            self.emit(f.WorkflowFinished(status=Status.FAILED))

    def _finished(self, signal: s.TaskFinished) -> None:
        child = self._child(signal.key)
        if child.status.terminal:
            return
        if child.status in (Status.PAUSED, Status.PENDING):
            self._wake()
        self.emit(f.ActionFinished(key=child.key, status=signal.status))
        run = self.state.runs[child.run]
        if counts_as(signal.status) is Status.FAILED:
            error = {"type": "error", "message": FAILED_ACTION, "task_id": run.name}
            self.emit(f.ErrorRecorded(key=child.key, error=error))
        if run.status is Status.RUNNING:
            self._weigh(run, signal.status)

    def _rejected(self, signal: s.TaskRejected) -> None:
        child = self._child(signal.key)
        if child.status.terminal:
            return
        run = self.state.runs[child.run]
        self.emit(f.ActionFinished(key=child.key, status=Status.FAILED))
        self.record(signal.message, run.name, run.route)
        if run.status is Status.RUNNING:
            self.emit(f.TaskCompleted(key=run.key, status=Status.FAILED, ended=Status.FAILED))
        self.fail()

    def _paused(self, signal: s.TaskPaused) -> None:
        if self._child(signal.key).status is Status.RUNNING:
            self.emit(f.ActionPaused(key=signal.key, status=signal.status))

    def _resumed(self, signal: s.TaskResumed) -> None:
        if self._child(signal.key).status in (Status.PAUSED, Status.PENDING):
            self._wake()
            self.emit(f.ActionResumed(key=signal.key))

    def _wake(self) -> None:
        """Go on when the workflow paused only because everything it had waited."""
        if self.state.status is Status.PAUSED and self.state.cause == "task":
            self.emit(f.WorkflowMoved(status=Status.RUNNING, cause="task"))

    def _pause(self, _: s.PauseRequested) -> None:
        if self.state.status is Status.RUNNING and self.state.failing is None:
            self.emit(f.WorkflowMoved(status=Status.PAUSING))
        elif self.state.status is Status.PAUSED and self.state.cause == "task":
            self.emit(f.WorkflowMoved(status=Status.PAUSED))

    def _resume(self, _: s.ResumeRequested) -> None:
        if self.state.status in (Status.PAUSING, Status.PAUSED):
            self.emit(f.WorkflowMoved(status=Status.RUNNING))

    def _cancel(self, _: s.CancelRequested) -> None:
        if self.state.status is not Status.CANCELING:
            self.emit(f.WorkflowMoved(status=Status.CANCELING))

    def _rerun(self, signal: s.RerunRequested) -> None:
        if not self.state.finished:
            raise Conflict("The workflow is still active; only one that is over can be rerun.")
        restarted = to_restart(self.state, signal.tasks)
        reset = [key for key in restarted if self.state.runs[key].name in signal.reset]
        self.emit(f.WorkflowRerun(restarted=restarted, reset=reset))

    def _child(self, key: str) -> Child:
        if key not in self.state.children:
            raise NotFound("task", key, "This workflow never requested it.")
        return self.state.children[key]

    # Tasks: starting, weighing what their children did.

    def _settle(self) -> None:
        """Start whatever may start, until nothing more follows; then see whether the workflow rests or ends."""
        decided = -1
        while not self.state.finished and len(self.facts) > decided:
            decided = len(self.facts)
            self._request_more()
            self._begin(self._due())
        if not self.state.finished and self.state.active == 0:
            self._rest()

    def _due(self) -> list[Staged]:
        if self.state.status is not Status.RUNNING:
            return []
        ready = [
            staged for staged in self.state.ready.values() if staged.on_fail or self.state.failing is None
        ]
        return sorted(ready, key=lambda staged: (staged.name, staged.route))

    def _begin(self, due: list[Staged]) -> None:
        """Start all of ``due``, or, when the expressions of one of them fail, none."""
        prepared: list[tuple[Staged, Prepared]] = []
        for staged in due:
            scope = self.scope(staged.context, name=staged.name, route=staged.route)
            try:
                prepared.append((staged, prepare(self.graph.tasks[staged.name], scope, self.evaluate)))
            except EXPECTED as error:
                self.record(described(error), staged.name, staged.route)
        if len(prepared) < len(due):
            self.fail(drop=True)
            return
        for staged, ready in prepared:
            self._open(staged, ready)

    def _open(self, staged: Staged, ready: Prepared) -> None:
        visit = self.state.visits.get((staged.name, staged.route), 0) + 1
        key = f.run_key(staged.name, staged.route, visit)
        self.emit(
            f.TaskStarted(
                key=key,
                name=staged.name,
                route=staged.route,
                visit=visit,
                items=ready.items,
                concurrency=ready.concurrency,
                retries=ready.retries,
                retry_delay=ready.retry_delay,
                delay=ready.delay,
            )
        )
        run = self.state.runs[key]
        for one in ready.requests:
            self._request(run, one)
        if not run.children:
            self._complete_at_once(run)

    def _request(self, run: Run, one: Request) -> None:
        if one.action is None:
            return
        self.emit(
            f.TaskRequested(
                key=f.child_key(run.key, one.item, run.attempt),
                run=run.key,
                item=one.item,
                attempt=run.attempt,
                action=one.action,
                parameters=one.parameters,
                delay=one.delay,
            )
        )

    def _complete_at_once(self, run: Run) -> None:
        self.instant += 1
        if self.instant > MAX_INSTANT:
            self.record("Tasks without an action lead to each other without end.", run.name, run.route)
            self.emit(f.TaskCompleted(key=run.key, status=Status.FAILED, ended=Status.FAILED))
            self.fail()
            return
        self.complete(run, Status.SUCCEEDED)

    def _request_more(self) -> None:
        """Ask for the retries that are due and for as many further items as each task's concurrency allows."""
        if self.state.status is not Status.RUNNING or self.state.failing is not None:
            return
        for key in (*self.state.retrying, *self.state.unfilled):
            run = self.state.runs[key]
            scope = self.scope(run.context, name=run.name, route=run.route)
            try:
                further = self._further(run, scope)
            except EXPECTED as error:
                self.record(described(error), run.name, run.route)
                self.fail()
                return
            for one in further:
                self._request(run, one)
            if run.items is None and further[0].action is None:
                self._complete_at_once(run)

    def _further(self, run: Run, scope: Any) -> list[Request]:
        task = self.graph.tasks[run.name]
        if run.items is None:
            return [request(task, None, None, scope, self.evaluate, delay=run.retry_delay)]
        if run.count(Status.FAILED, Status.TIMEOUT, Status.ABANDONED, Status.CANCELED):
            return []
        room = (run.concurrency or len(run.items)) - run.count(Status.RUNNING)
        first = run.attempt > 1 and len(run.remaining) == len(run.items)
        delay = run.retry_delay if first else 0
        chosen = list(islice(run.remaining, max(0, room)))
        return [request(task, run.items, item, scope, self.evaluate, delay=delay) for item in chosen]

    def _weigh(self, run: Run, ended: Status) -> None:
        """See whether ``run`` is over, now that one of its children ended as ``ended``."""
        if run.items is None:
            self.complete(run, ended)
            return
        if run.count(Status.RUNNING, Status.PAUSED, Status.PENDING):
            return
        if run.count(Status.CANCELED):
            self.complete(run, Status.CANCELED)
        elif run.count(Status.FAILED, Status.TIMEOUT, Status.ABANDONED):
            self.complete(run, Status.FAILED)
        elif not run.remaining:
            self.complete(run, Status.SUCCEEDED)
        elif self.state.status is Status.CANCELING:
            self.complete(run, Status.CANCELED)

    # The workflow as a whole.

    def _rest(self) -> None:
        """Nothing is active: pause, or end."""
        state = self.state
        if state.status is Status.CANCELING:
            self._end(Status.CANCELED)
        elif state.failing is not None:
            self._end(state.failing)
        elif state.status is Status.PAUSING:
            self.emit(f.WorkflowMoved(status=Status.PAUSED, cause="request"))
        elif state.status is Status.RUNNING and state.halted:
            self.emit(f.WorkflowMoved(status=Status.PAUSED, cause="task"))
        elif state.status is Status.RUNNING:
            stuck = unreachable(self.graph, state)
            for error in stuck:
                self.emit(f.ErrorRecorded(error=error))
            self._end(Status.FAILED if stuck else Status.SUCCEEDED)

    def _end(self, status: Status) -> None:
        output, errors = rendered_output(self.graph, self.state, self.evaluate, self.scope)
        for error in errors:
            self.emit(f.ErrorRecorded(error={"type": "error", "message": described(error)}))
        if errors and status is Status.SUCCEEDED:
            status = Status.FAILED
        self.emit(f.WorkflowFinished(status=status, output=output or None))
