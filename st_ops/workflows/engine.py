"""The workflow engine: takes note of what happened to the workflows it holds, decides, and writes what follows.

Each step of a workflow is one transaction: the facts in its log, the child executions they ask for, its
status, and the mark that a finished child was noticed. A crash before the commit leaves nothing, after
it everything; bells only make it quick.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from st_ops.bus.interface import Bus
from st_ops.bus.loop import EngineLoop
from st_ops.errors import Conflict, Unavailable
from st_ops.executions.lifecycle import Bells, Lifecycle
from st_ops.executions.requests import Requests
from st_ops.logs import facts as log_facts
from st_ops.metrics import Metrics
from st_ops.model.bells import Topic
from st_ops.model.executions import PROBED_BY, WORKFLOW_QUEUE, Execution, Outcome
from st_ops.model.status import Status
from st_ops.packs.catalog import Catalog
from st_ops.security.key_values import KeyValues
from st_ops.settings import WorkerSettings
from st_ops.store import claims, executions, tasks, workers
from st_ops.store.database import Database, Tx
from st_ops.store.executions import Move, cancel_moves
from st_ops.store.membership import Membership
from st_ops.workflows import facts as f
from st_ops.workflows import signals as s
from st_ops.workflows.live import Live, LiveWorkflows
from st_ops.workflows.outcome import outcome
from st_ops.workflows.secrets import Secrets
from st_ops.workflows.starting import Starting
from st_ops.workflows.tasks import task_request
from st_ops.workflows.world import StoreWorld

log = logging.getLogger(__name__)

#: Most workflows begun, and most finished children noticed, in one transaction.
_BATCH = 100

#: How the reason of a workflow begins that is ended because it took too long.
_TIMEOUT = "timeout"

_TOPICS = [Topic.WORKFLOW_REQUESTED, Topic.TASK_CHANGED, Topic.EXECUTION_CANCEL]

#: What a person may have asked of a held workflow → the signal it gives.
_ASKED: dict[Status, s.Signal] = {
    Status.PAUSING: s.PauseRequested(),
    Status.RESUMING: s.ResumeRequested(),
    Status.CANCELING: s.CancelRequested(),
}


class WorkflowEngine:
    """Conducts the workflows it holds. Any number of engines share the work, in any number of processes."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        catalog: Catalog,
        lifecycle: Lifecycle,
        requests: Requests,
        key_values: KeyValues,
        configs: Callable[[str], Mapping[str, Any]],
        secrets: Secrets,
        live: LiveWorkflows,
        starting: Starting,
        lease: WorkerSettings,
        sweep_seconds: float,
        metrics: Metrics | None = None,
    ) -> None:
        """``lease`` says how long silence means death, and how often to show life."""
        self._database = database
        self._bus = bus
        self._catalog = catalog
        self._lifecycle = lifecycle
        self._requests = requests
        self._key_values = key_values
        self._configs = configs
        self._secrets = secrets
        self._live = live
        self._starting = starting
        self._metrics = metrics or Metrics()
        self._lost = False
        #: Workflows to begin, or to go on with after their engine was lost. Set by two threads.
        self._take_up: set[str] = set()
        #: Workflows this engine holds.
        self._held: set[str] = set()
        self._membership = Membership(
            database, kind="workflows", settings=lease, on_beat=self._adopt, on_lost=self._lose
        )
        self._loop = EngineLoop("workflows", bus, _TOPICS, self._drain, sweep_seconds)

    def open(self) -> None:
        """Register, take over what lost engines left, start conducting."""
        self._membership.open()
        self._adopt()
        self._loop.open()

    def close(self) -> None:
        """Let the step under way end; another engine, or this one's next start, goes on. Idempotent."""
        self._loop.close()
        self._membership.close()

    def _adopt(self) -> None:
        """Take over workflows whose engine is gone, and what became ours in a commit of which we heard no answer."""
        me = self._membership.id
        with self._database.write() as tx:
            # Also on a host where no worker runs that would notice.
            workers.reap_lost(tx, lapsed=False)
            for entry in workers.orphans(tx, workflows=True):
                workers.adopt(tx, [entry.id], entry.worker_id, me)
            ours = workers.held_ids(tx, me)
        unknown = ours - self._held - self._take_up
        for identifier in unknown:
            log.info("Workflow taken over.", extra=log_facts(execution_id=identifier))
        if unknown:
            self._take_up.update(unknown)
            self._loop.wake()

    def _lose(self) -> None:
        log.error("The lease of this workflow engine lapsed; others conduct its workflows now.")
        self._lost = True

    def _drain(self) -> bool:
        """One round; True when there may be more."""
        if self._lost:
            self._lost = False
            self._live.forget_all()
            self._held.clear()
        more = self._claim()
        for identifier in list(self._take_up):
            self._held.add(identifier)
            self._step(identifier, [])
            # Only now: what failed on the way is taken up again in the next round.
            self._take_up.discard(identifier)
        if not self._held:
            return more
        more |= self._notice()
        self._end_overdue()
        self._obey()
        return more

    def _claim(self) -> bool:
        with self._database.read() as tx:
            if not claims.any_ready(tx, [WORKFLOW_QUEUE]):
                return False
        me = self._membership.id
        with self._database.write() as tx:
            claimed = self._lifecycle.claim_in(tx, me, [WORKFLOW_QUEUE], (), _BATCH, actor=f"engine {me}")
        self._take_up.update(execution.id for execution in claimed)
        return len(claimed) == _BATCH

    def _notice(self) -> bool:
        """Tell workflows of their finished, paused and resumed children."""
        with self._database.read() as tx:
            finished = tasks.unnoticed_children(tx, self._membership.id, _BATCH)
            halted = tasks.halted_children(tx, self._membership.id)
            waiting = self._live.halted()
        by_parent: dict[str, list[Execution]] = {}
        for child in [*finished, *halted]:
            by_parent.setdefault(str(child.parent_id), []).append(child)
        for parent_id in {*by_parent, *waiting}:
            self._step(parent_id, by_parent.get(parent_id, []))
        return len(finished) == _BATCH

    def _end_overdue(self) -> None:
        """Cancel workflows that are past their timeout; they end with that status."""
        with self._database.read() as tx:
            overdue = tasks.overdue(tx, self._membership.id)
        if overdue:
            self._lifecycle.move(
                [_move(entry, Status.CANCELING, f"{_TIMEOUT} of {entry.timeout:g} s") for entry in overdue]
            )

    def _obey(self) -> None:
        """Pass on what people asked of workflows: pause, resume, cancel."""
        with self._database.read() as tx:
            asked = workers.held(tx, self._membership.id, list(_ASKED))
        for execution in asked:
            self._step(execution.id, [])

    def _step(self, workflow_id: str, children: Sequence[Execution]) -> None:
        """One transaction of one workflow."""
        bells = Bells()
        try:
            with self._database.write() as tx:
                over = self._conduct(tx, workflow_id, children, bells)
        except Conflict as exc:
            # Someone else went on with it: what we decided is void, what we remember is old.
            log.info("%s", exc, extra=log_facts(execution_id=workflow_id))
            self._live.forget(workflow_id)
            return
        except Unavailable:
            self._live.forget(workflow_id)
            # Which of its children were paused is forgotten with it: it looks again.
            self._take_up.add(workflow_id)
            raise
        except Exception as exc:  # a bug met by one workflow must not stop the others
            log.exception("Workflow %s cannot go on.", workflow_id)
            self._live.forget(workflow_id)
            self._fail(workflow_id, exc)
            return
        if over:
            self._live.forget(workflow_id)
            self._held.discard(workflow_id)
        bells.ring(self._bus)

    def _fail(self, workflow_id: str, error: Exception) -> None:
        """End a workflow that the engine cannot go on with, and what it started."""
        bells = Bells()
        reason = f"The workflow engine broke on this workflow: {type(error).__name__}: {error}"
        with self._database.write() as tx:
            workflow = executions.get(tx, workflow_id, result=False)
            if workflow is None:
                return
            children = tasks.unfinished_children(tx, workflow_id)
            moves = [move for child in children for move in _cancel(child, reason)]
            moves.append(
                _move(workflow, Status.FAILED, reason, result={"output": None, "errors": [_entry(reason)]})
            )
            self._lifecycle.move_in(tx, moves, bells)
        self._held.discard(workflow_id)
        bells.ring(self._bus)

    def _conduct(self, tx: Tx, workflow_id: str, children: Sequence[Execution], bells: Bells) -> bool:
        """Decide and write; True when the workflow is over."""
        workflow = executions.get(tx, workflow_id, result=False)
        if workflow is None or workflow.worker_id != self._membership.id:
            self._live.forget(workflow_id)
            return True
        tasks.mark_noticed(tx, [child.id for child in children if child.status.terminal])
        if workflow.status.terminal:
            return True
        world = StoreWorld(tx, workflow, self._key_values, self._configs, self._secrets)
        live = self._live.get(tx, workflow_id)
        signals: list[s.Signal] = []
        if live is None:
            live, errors = self._starting.begin(tx, workflow, self._catalog.current(tx))
            if live is None:
                self._lifecycle.move_in(tx, [_unstartable(workflow, errors)], bells)
                return True
        if live.state.status is Status.REQUESTED:
            signals.append(self._starting.signal(workflow))
        signals += [signal for child in children if (signal := _told(child)) is not None]
        signals += self._resumed(tx, workflow_id, live)
        if workflow.status in _ASKED:
            signals.append(_ASKED[workflow.status])
        with self._key_values.noting() as decrypted:
            decided = [
                fact for signal in signals for fact in live.conductor.decide(live.state, signal, world)
            ]
        self._live.append(tx, workflow_id, live, decided, {*world.hidden, *decrypted})
        self._carry_out(tx, workflow, live, world, decided, bells)
        return live.state.finished

    def _resumed(self, tx: Tx, workflow_id: str, live: Live) -> list[s.Signal]:
        """Children that the workflow believes to be paused or pending, and that run again."""
        if not live.state.halted:
            return []
        keys = [
            key
            for key, child in live.state.children.items()
            if child.status in (Status.PAUSED, Status.PENDING)
        ]
        running = (Status.RUNNING, Status.RESUMING)
        present = tasks.children_by_key(tx, workflow_id, keys, running)
        return [s.TaskResumed(key=entry.task.key) for entry in present if entry.task is not None]

    def _carry_out(
        self,
        tx: Tx,
        workflow: Execution,
        live: Live,
        world: StoreWorld,
        decided: Sequence[f.Fact],
        bells: Bells,
    ) -> None:
        """Write what the facts entail."""
        wanted = [fact for fact in decided if isinstance(fact, f.TaskRequested)]
        if wanted:
            wishes = [task_request(workflow, live.state.runs[fact.run], fact, live.hidden) for fact in wanted]
            self._requests.request_in(tx, wishes, bells)
            tasks = self._metrics.tasks_requested.labels(workflow.action)
            bells.after.append(partial(tasks.inc, len(wishes)))
        if workflow.status in _ASKED:
            self._cascade(tx, workflow, bells)
        moves = _status_moves(workflow, live.state.status)
        if live.state.finished:
            end = outcome(live.graph, live.state, world)
            late = end.status is Status.CANCELED and workflow.reason.startswith(_TIMEOUT)
            status, reason = (Status.TIMEOUT, workflow.reason) if late else (end.status, end.reason)
            shown = self._shown(
                workflow, Outcome(status=status, result=end.result, reason=reason), live, world
            )
            moves = [_move(workflow, status, shown.reason, result=shown.result)]
        for done in self._lifecycle.move_in(tx, moves, bells):
            if done.refused:
                log.warning("%s", done.refused, extra=log_facts(execution_id=workflow.id))

    def _shown(self, workflow: Execution, end: Outcome, live: Live, world: StoreWorld) -> Outcome:
        """The end of a workflow without its secrets, as workers leave them out of what actions return."""
        action = self._catalog.cached().actions.get(workflow.action)
        hidden = {*live.hidden, *world.hidden, *self._secrets.of_config(_pack(workflow))}
        return self._secrets.end(action, end, hidden)

    def _cascade(self, tx: Tx, workflow: Execution, bells: Bells) -> None:
        """Cancel every unfinished child; pause or resume those that are workflows."""
        asked = workflow.status
        moves = []
        for child in tasks.unfinished_children(tx, workflow.id):
            if asked is Status.CANCELING:
                moves += _cancel(child, workflow.reason)
            elif child.queue == WORKFLOW_QUEUE:
                moves.append(_move(child, asked, workflow.reason))
        self._lifecycle.move_in(tx, moves, bells)


def _pack(workflow: Execution) -> str:
    return workflow.action.partition(".")[0]


def _told(child: Execution) -> s.Signal | None:
    """The signal of a child that ended or halted."""
    assert child.task is not None
    key = child.task.key
    if child.status is Status.PENDING and PROBED_BY in child.context:
        # A probe will tell soon what became of it; until then it counts as running.
        return None
    if child.status in (Status.PAUSED, Status.PENDING):
        return s.TaskPaused(key=key, status=child.status)
    if not child.status.terminal:
        return None
    if child.status is Status.FAILED and child.attempt == 0 and child.start_timestamp is None:
        return s.TaskRejected(key=key, message=child.reason)
    return s.TaskFinished(key=key, status=child.status)


def _move(execution: Execution, status: Status, reason: str, **more: Any) -> Move:
    return Move(execution_id=execution.id, status=status, actor="workflow engine", reason=reason, **more)


def _cancel(child: Execution, reason: str) -> list[Move]:
    """The moves that cancel a child: at once when nothing runs, else its worker or engine ends it."""
    return cancel_moves(child.id, "workflow engine", reason)


def _entry(message: str) -> dict[str, Any]:
    return {"type": "error", "message": message}


def _status_moves(workflow: Execution, wanted: Status) -> list[Move]:
    """The moves that bring a workflow's execution to the status the conductor gave it."""
    if wanted is workflow.status or wanted.terminal or wanted is Status.REQUESTED:
        return []
    return [_move(workflow, wanted, workflow.reason)]


def _unstartable(workflow: Execution, errors: Sequence[Mapping[str, Any]]) -> Move:
    """The end of a workflow whose definition is wrong: failed before any task ran."""
    shown = "; ".join(str(error.get("message", error)) for error in errors[:3])
    result = {"output": None, "errors": [dict(error) for error in errors]}
    return _move(workflow, Status.FAILED, f"The workflow's definition is not valid: {shown}", result=result)
