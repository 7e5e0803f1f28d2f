"""The worker: claim → run → record → announce, for as many executions at once as it has slots.

Each turn is one transaction: it records the runs that ended and claims as many as there are slots free
then. Under load one commit serves many runs; a single run waits for nobody.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from st_ops.bus.interface import Bus
from st_ops.bus.loop import EngineLoop
from st_ops.errors import Unavailable
from st_ops.executions.console import OutputWriter
from st_ops.executions.desk import Desk, Report
from st_ops.executions.lifecycle import Bells, Lifecycle
from st_ops.executions.running import LOST, SHUTDOWN, Running
from st_ops.executions.untold import Untold
from st_ops.logs import facts
from st_ops.metrics import Metrics
from st_ops.model.bells import Bell, Topic
from st_ops.model.executions import Execution
from st_ops.model.status import Status
from st_ops.packs.catalog import Catalog
from st_ops.runners.base import Stop
from st_ops.settings import WorkerSettings
from st_ops.store import artifacts, claims, executions, outputs, workers
from st_ops.store.database import Database, Tx
from st_ops.store.executions import Move
from st_ops.store.membership import Membership

log = logging.getLogger(__name__)

#: While others run, turns rest so many seconds for each of them, at most as long as the second says: what ends
#: meanwhile shares a transaction. One run alone never waits.
_REST_EACH, _REST_MOST = 0.001, 0.016

#: While nothing rings, ends are recorded without a look at what there is to claim, for so many seconds at most.
_LOOK_SECONDS = 0.1

#: For so long at most, somebody who asked for one run waits for its begin before the answer is made: two threads that
#: both want the interpreter would hold up the run by more than that.
_PATIENCE_SECONDS = 0.003


class Worker:
    """Runs actions of some queues. Any number of workers share the work, in any number of processes."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        catalog: Catalog,
        lifecycle: Lifecycle,
        running: Running,
        writer: OutputWriter,
        settings: WorkerSettings,
        sweep_seconds: float,
        metrics: Metrics | None = None,
    ) -> None:
        self._database = database
        self._bus = bus
        self._catalog = catalog
        self._lifecycle = lifecycle
        self._running = running
        self._writer = writer
        self._settings = settings
        self._metrics = metrics or Metrics()
        self._desk = Desk()
        self._closing = False
        self._sweep_seconds = sweep_seconds
        self._swept_at = 0.0
        self._turned_at = 0.0
        self._untold = Untold()
        self._looked_at = 0.0
        #: There may be more that is ready than was claimed, or room for.
        self._more = True
        #: What the store says this worker runs may be more than it knows of: the answer to a commit was lost.
        self._doubtful = False
        #: Held from a claim until all that was claimed lies on the desk.
        self._turning = threading.Lock()
        self._pool = ThreadPoolExecutor(settings.slots, thread_name_prefix="slot")
        self._loop = EngineLoop(
            "worker", bus, [Topic.EXECUTION_REQUESTED], self._turn, sweep_seconds,
            heeds=self._is_news, rests=self._untold.seconds,
        )  # fmt: skip
        self.membership = Membership(
            database, kind="runner", settings=settings, on_beat=_nothing, on_lost=self._lose
        )

    def open(self) -> None:
        """Register, then take work."""
        self.membership.open()
        self._bus.subscribe([Topic.EXECUTION_CANCEL], self._cancel_rung)
        self._loop.open()

    def close(self) -> None:
        """Take no more work, let running actions end for a while, stop the rest, and sign off. Idempotent."""
        if self._closing:
            return
        self._closing = True
        with self._turning:
            # What was being claimed lies on the desk now, and nothing more will be.
            self._loop.wake()
        self._show_draining()
        if not self._desk.wait_empty(self._settings.drain_seconds):
            self._desk.stop_all(SHUTDOWN)
        # After SIGTERM and the grace period every run has ended; its report needs a turn more.
        self._desk.wait_empty(self._settings.grace_seconds + 5)
        self._loop.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.membership.close()

    def _show_draining(self) -> None:
        try:
            with self._database.write() as tx:
                workers.set_draining(tx, self.membership.id)
        except Unavailable as exc:
            log.warning("That this worker drains cannot be shown: %s", exc)

    def running(self) -> list[Execution]:
        """What it runs now."""
        return self._desk.running()

    def _cancel_rung(self, bell: Bell) -> None:
        if bell.missed:
            # Canceled ones are found at the next sweep; this thread must not wait for the store.
            return
        for identifier in bell.ids:
            self._desk.stop(identifier, "canceled")

    def _lose(self) -> None:
        log.error("The lease of this worker lapsed; everything it ran is stopped and belongs to others now.")
        self._desk.stop_all(LOST)

    def _turn(self) -> bool:
        """Record what ended, claim what is free; True when it is worth another turn at once."""
        self._sweep()
        self._rest()
        with self._turning:
            return self._record_and_claim()

    def _is_news(self, bell: Bell) -> bool:
        """False for a bell about nothing but what this worker has taken already."""
        return bell.missed or not self._desk.has_all(bell.ids)

    # --- claiming in passing: see passing.IdleWorker ---

    def take(self, tx: Tx) -> Sequence[Execution]:
        """Claim in a transaction that stores a request, if idle: nothing runs, and no turn is under way."""
        if not self._turning.acquire(blocking=False):
            return ()
        taken: Sequence[Execution] = ()
        try:
            if not (self._closing or self._doubtful or self._desk.count() or self.membership.draining):
                # Until all that is claimed has been started.
                self._doubtful = True
                taken = self._claim(tx, self._settings.slots)
                self._doubtful = bool(taken)
                self._more = self._more or len(taken) >= self._settings.slots
        finally:
            if not taken:
                self._turning.release()
        return taken

    def begin(self, taken: Sequence[Execution], bells: Bells) -> None:
        """Run what ``take`` answered: its transaction is committed."""
        try:
            self._begin(taken, bells, _PATIENCE_SECONDS)
        finally:
            self._turning.release()

    def forget(self) -> None:
        """Find out about what ``take`` answered: its transaction may be committed or not."""
        self._more = True
        self._turning.release()
        self._loop.wake()

    def _record_and_claim(self) -> bool:
        if self._doubtful:
            self._take_up()
        self._more = self._more or self._loop.rung
        reports = self._desk.reports()
        free = self._settings.slots - self._desk.count() + len(reports)
        if self._closing or self.membership.draining:
            free = 0
        bells = Bells()
        if not reports and (free <= 0 or not self._anything_ready()):
            self._untold.tell(bells)
            bells.ring(self._bus)
            return False
        # Until all that is claimed has been started.
        self._doubtful = True
        try:
            with self._database.write() as tx:
                obsolete = self._record(tx, reports, bells)
                overdue = time.monotonic() > self._looked_at + _LOOK_SECONDS
                looked = self._more or bool(bells.requested) or not reports or overdue
                claimed = self._claim(tx, free) if looked else []
        except Unavailable:
            self._desk.put_back(reports)
            raise
        except Exception:
            if not reports:
                raise
            self._record_one_by_one(reports)
            return True
        self._desk.clear(reports)
        self._begin(claimed, bells)
        self._writer.ring([line for report in reports for line in report.lines])
        self._remove_files(obsolete)
        self._turned_at = time.monotonic()
        self._more = looked and len(claimed) >= free
        return free > 0 and self._more

    def _begin(self, claimed: Sequence[Execution], bells: Bells, patience: float = 0.0) -> None:
        """Start what was claimed, and tell of the commit: of what runs in this thread, before it runs.

        With ``patience`` (seconds) this thread stays out of the way of what it started until that is under way.
        """
        inline = []
        for execution in claimed:
            self._metrics.started.labels(execution.action).inc()
            if execution.runner in self._running.inline:
                inline.append(execution)
            else:
                self._start(execution)
        begun = [execution.id for execution in claimed]
        if patience:
            if len(inline) < len(claimed):
                self._desk.wait_begun(patience)
            bells.changed += begun
        else:
            self._untold.add(begun)
        self._untold.tell(bells)
        bells.ring(self._bus)
        for execution in inline:
            self._start(execution)
        self._doubtful = False

    def _take_up(self) -> None:
        """Bring the desk in line with the store: run what was claimed in a transaction of which it was not heard that
        it was committed, and stop what somebody canceled whose bell was lost.
        """
        with self._database.read() as tx:
            held = workers.held(tx, self.membership.id, [Status.RUNNING, Status.CANCELING])
        known = {(execution.id, execution.token) for execution in self._desk.running()}
        for execution in held:
            canceled = execution.status is Status.CANCELING
            if (execution.id, execution.token) in known:
                if canceled:
                    self._desk.stop(execution.id, "canceled")
                continue
            log.warning("Claimed unknowingly, and taken up now.", extra=facts(execution_id=execution.id))
            if canceled:
                self._desk.take(execution)
                self._desk.hand_in(Report(execution, _not_begun(execution, Status.CANCELED, "canceled")))
            else:
                self._start(execution)
        self._doubtful = False

    def _rest(self) -> None:
        rest = min(self._desk.at_work() * _REST_EACH, _REST_MOST) - (time.monotonic() - self._turned_at)
        if rest > 0 and not self._closing:
            time.sleep(rest)

    def _sweep(self) -> None:
        """Once a sweep: executions whose pause before another try is over, whatever else waits with room, and a look
        at whether the store and the desk agree.
        """
        if time.monotonic() >= self._swept_at + self._sweep_seconds:
            self._lifecycle.admit_waiting()
            # A commit may come about even after a look found nothing of it, and a bell may have been lost.
            self._doubtful = self._more = True
            self._swept_at = time.monotonic()

    def _anything_ready(self) -> bool:
        """Whether it is worth a transaction to claim."""
        if self._more and not self._loop.rung:
            with self._database.read() as tx:
                self._more = claims.any_ready(tx, self._settings.queues)
        return self._more

    def _record(self, tx: Tx, reports: Sequence[Report], bells: Bells) -> list[str]:
        """Answers where the files are that no artifact names any more."""
        outputs.append(tx, [line for report in reports for line in report.lines])
        refused = set()
        for done in self._lifecycle.move_in(tx, [report.move for report in reports], bells):
            if done.refused:
                log.warning("%s", done.refused, extra=facts(execution_id=done.move.execution_id))
                refused.add((done.move.execution_id, done.move.token))
        obsolete: list[str] = []
        for report in reports:
            if (report.execution.id, report.move.token) in refused:
                # A report that is repeated is refused too, and what it left is named since the first time.
                named = set(artifacts.locations(tx, [report.execution.id])) if report.artifacts else set()
                obsolete += [entry.location for entry in report.artifacts if entry.location not in named]
            elif report.artifacts:
                obsolete += artifacts.put(tx, report.artifacts)
        return obsolete

    def _remove_files(self, locations: list[str]) -> None:
        if locations:
            self._pool.submit(self._running.remove_files, locations)

    def _claim(self, tx: Tx, free: int) -> list[Execution]:
        if free <= 0:
            return []
        me, wanted = self.membership.id, self._settings
        self._looked_at = time.monotonic()
        # Declared lost it gets nothing: what it took would be an orphan. The next heartbeat registers it anew.
        return self._lifecycle.claim_in(
            tx, me, wanted.queues, wanted.labels, free, slotless=self._running.inline, registered=True
        )

    def _record_one_by_one(self, reports: Sequence[Report]) -> None:
        """After a batch that could not be stored: one bad report must not hold up the others."""
        left = list(reports)
        try:
            while left:
                self._record_one(left[0])
                self._desk.clear([left.pop(0)])
        finally:
            # The one that failed comes last: what follows it may well be recorded.
            self._desk.put_back([*left[1:], *left[:1]])

    def _record_one(self, report: Report) -> None:
        bells = Bells()
        try:
            with self._database.write() as tx:
                obsolete = self._record(tx, [report], bells)
        except Unavailable:
            raise
        except Exception as exc:  # the edge of recording: the failure becomes the execution's end
            log.exception("A result could not be stored.", extra=facts(execution_id=report.execution.id))
            self._fail(report, exc)
            return
        self._remove_files(obsolete)
        bells.ring(self._bus)

    def _fail(self, report: Report, error: Exception) -> None:
        reason = f"the result could not be stored: {type(error).__name__}: {str(error)[:500]}"
        failed = Move(
            execution_id=report.move.execution_id, status=Status.FAILED, actor=report.move.actor, reason=reason,
            token=report.move.token, limited=report.move.limited, result={"error": reason, "failed": True},
        )  # fmt: skip
        self._lifecycle.move([failed])

    def _start(self, execution: Execution) -> None:
        stop = self._desk.take(execution)
        if execution.runner in self._running.inline:
            self._run(execution, stop)
        else:
            self._pool.submit(self._run, execution, stop)

    def _run(self, execution: Execution, stop: Stop) -> None:
        if self.membership.overdue and not self._still_ours(execution, stop):
            # This process stood still since the claim: another one has it, or it was given up.
            log.warning("Not run: it was taken from this worker.", extra=facts(execution_id=execution.id))
            self._desk.drop(execution)
            return
        if self._closing:
            why = "the worker was shut down before it started this"
            self._desk.hand_in(Report(execution, _not_begun(execution, Status.REQUESTED, why)))
        else:
            self._desk.hand_in(self._running.run(execution, stop, self.membership.id))
        stop.begun()
        self._loop.wake()

    def _still_ours(self, execution: Execution, stop: Stop) -> bool:
        while True:
            try:
                with self._database.read() as tx:
                    present = executions.get(tx, execution.id, result=False)
                return present is not None and (present.token, present.worker_id) == (
                    execution.token, self.membership.id)  # fmt: skip
            except Unavailable as exc:
                log.warning(
                    "Whose execution it is cannot be asked: %s", exc, extra=facts(execution_id=execution.id)
                )
                if stop.wait(self._settings.heartbeat_seconds):
                    return False


def _nothing() -> None:
    """A heartbeat shows life and does nothing else."""


def _not_begun(execution: Execution, status: Status, reason: str) -> Move:
    """The report of an execution that was claimed and did not begin: whoever is free may run it."""
    return Move(
        execution_id=execution.id, status=status, actor=f"worker {execution.worker_id}",
        token=execution.token, limited=execution.limited, reason=reason,
    )  # fmt: skip
