"""The worker: claim → run → record → announce, for as many executions at once as it has slots."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from st_ops.bus.interface import Bus
from st_ops.bus.loop import EngineLoop
from st_ops.errors import ExpressionError, StOpsError, UserError
from st_ops.executions.console import OutputConsole, OutputWriter
from st_ops.executions.jobs import Jobs, PreparedJob
from st_ops.executions.masking import Masker
from st_ops.executions.recorder import Recorder, Report
from st_ops.logs import facts
from st_ops.model.bells import Bell, Topic
from st_ops.model.executions import Execution, Outcome
from st_ops.model.status import Status
from st_ops.runners.base import Runner, Stop
from st_ops.settings import WorkerSettings
from st_ops.store import executions, workers
from st_ops.store.database import Database
from st_ops.store.executions import Move
from st_ops.store.membership import Membership
from st_ops.store.types import dumps

log = logging.getLogger(__name__)

#: Reason given to runs that are stopped because their worker shuts down.
SHUTDOWN = "the worker was shut down"
#: Reason given to runs whose lease lapsed while they ran.
LOST = "the worker lost its lease"


@dataclass(frozen=True)
class _Running:
    execution: Execution
    stop: Stop
    started: float


class Runners(Protocol):
    """Where the worker finds the runner of an execution."""

    def for_type(self, name: str) -> Runner:
        """The runner of this runner type. Raises NotFound."""


class Worker:
    """Runs actions of some queues. Any number of workers share the work, in any number of processes."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        jobs: Jobs,
        runners: Runners,
        recorder: Recorder,
        writer: OutputWriter,
        settings: WorkerSettings,
        sweep_seconds: float,
    ) -> None:
        self._database = database
        self._bus = bus
        self._jobs = jobs
        self._runners = runners
        self._recorder = recorder
        self._writer = writer
        self._settings = settings
        self._sweep_seconds = sweep_seconds
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._closing = False
        self._idle = threading.Event()
        self._idle.set()
        self._pool = ThreadPoolExecutor(settings.slots, thread_name_prefix="slot")
        self._loop = EngineLoop("worker", bus, [Topic.EXECUTION_REQUESTED], self._claim_some, sweep_seconds)
        self.membership = Membership(
            database, kind="runner", settings=settings, on_beat=self._beat, on_lost=self._lost_lease
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
        self._loop.close()
        if not self._idle.wait(self._settings.drain_seconds):
            self._stop_all(SHUTDOWN)
        self._idle.wait(self._settings.grace_seconds + 5)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.membership.close()

    def running(self) -> list[Execution]:
        """What it runs now."""
        with self._lock:
            return [entry.execution for entry in self._running.values()]

    def _cancel_rung(self, bell: Bell) -> None:
        if not bell.ids:
            self._stop_canceled()
        for identifier in bell.ids:
            self._stop_one(identifier, "canceled")

    def _stop_one(self, execution_id: str, reason: str) -> None:
        with self._lock:
            entry = self._running.get(execution_id)
        if entry is not None:
            entry.stop.set(reason)

    def _stop_all(self, reason: str) -> None:
        with self._lock:
            entries = list(self._running.values())
        for entry in entries:
            entry.stop.set(reason)

    def _stop_canceled(self) -> None:
        """What a lost bell would have told: held executions that someone canceled."""
        if not self._running:
            return
        with self._database.read() as tx:
            for entry in workers.held(tx, self.membership.id, [Status.CANCELING]):
                self._stop_one(entry.id, "canceled")

    def _beat(self) -> None:
        self._stop_canceled()

    def _lost_lease(self) -> None:
        log.error("The lease of this worker lapsed; everything it ran is stopped and belongs to others now.")
        self._stop_all(LOST)

    def _claim_some(self) -> bool:
        """Claim as many as there are free slots; True when it is worth asking again at once."""
        free = self._settings.slots - len(self._running)
        if free <= 0 or self.membership.draining:
            return False
        queues, labels = self._settings.queues, self._settings.labels
        with self._database.write() as tx:
            claimed = executions.claim(tx, self.membership.id, queues, labels, free)
        if claimed:
            self._bus.publish(Bell(topic=Topic.EXECUTION_CHANGED, ids=[entry.id for entry in claimed]))
        for execution in claimed:
            self._start(execution)
        return len(claimed) == free

    def _start(self, execution: Execution) -> None:
        stop = Stop()
        with self._lock:
            self._running[execution.id] = _Running(execution, stop, time.monotonic())
            self._idle.clear()
        if self._runners.for_type(execution.runner).inline:
            self._run_one(execution, stop)
        else:
            self._pool.submit(self._run_one, execution, stop)

    def _run_one(self, execution: Execution, stop: Stop) -> None:
        try:
            move, console = self._outcome(execution, stop)
            lines = console.drain() if console else ()
            self._recorder.report(Report(move, lines)).add_done_callback(
                lambda future: self._recorded(execution, move, future, lines)
            )
        except Exception:  # the edge of a slot: the reaper takes what could not be recorded
            log.exception("The end of a run could not be reported.", extra=facts(execution_id=execution.id))
            self._release(execution)

    def _recorded(self, execution: Execution, move: Move, future: Any, lines: Any) -> None:
        error = future.exception()
        if error is not None:
            log.warning("Recording failed, trying again: %s", error, extra=facts(execution_id=execution.id))
            timer = threading.Timer(self._sweep_seconds, self._report_again, (execution, move, lines))
            timer.daemon = True
            timer.start()
            return
        if future.result().refused:
            log.warning("%s", future.result().refused, extra=facts(execution_id=execution.id))
        self._writer.ring(lines)
        self._release(execution)

    def _report_again(self, execution: Execution, move: Move, lines: Any) -> None:
        try:
            again = self._recorder.report(Report(move, lines))
        except StOpsError:
            self._release(execution)
            return
        again.add_done_callback(lambda future: self._recorded(execution, move, future, lines))

    def _release(self, execution: Execution) -> None:
        with self._lock:
            self._running.pop(execution.id, None)
            if not self._running:
                self._idle.set()
        self._loop.wake()

    def _outcome(self, execution: Execution, stop: Stop) -> tuple[Move, OutputConsole | None]:
        console: OutputConsole | None = None
        masker = Masker(())
        try:
            prepared: PreparedJob = self._jobs.prepare(execution)
            masker = prepared.masker
            cap = self._settings.output_bytes
            console = OutputConsole(self._writer, execution.id, execution.attempt, cap, masker)
            runner = self._runners.for_type(execution.runner)
            outcome = runner.run(prepared.job, console, stop)
        except (UserError, ExpressionError) as exc:
            outcome = Outcome(
                status=Status.FAILED, result={"error": str(exc), "failed": True}, reason=str(exc)
            )
        except Exception as exc:  # a runner's bug is the execution's failure, with its traceback
            log.exception("Runner %s broke.", execution.runner, extra=facts(execution_id=execution.id))
            result = {
                "error": f"{type(exc).__name__}: {exc}",
                "traceback": traceback.format_exc(),
                "failed": True,
            }
            outcome = Outcome(
                status=Status.FAILED, result=result, reason=f"runner {execution.runner} broke: {exc}"
            )
        return self._move(execution, self._after_stop(execution, outcome, stop), masker), console

    def _after_stop(self, execution: Execution, outcome: Outcome, stop: Stop) -> Outcome:
        """A run that was stopped for the worker's sake is not canceled: it runs again, or its outcome is unknown."""
        if stop.reason not in (SHUTDOWN, LOST) or outcome.status is not Status.CANCELED:
            return outcome
        if execution.idempotent:
            return Outcome(
                status=Status.REQUESTED, reason=f"{stop.reason}; the action is idempotent, so it is run again"
            )
        reason = f"{stop.reason} while it ran this; whether it took effect is unknown"
        return Outcome(status=Status.ABANDONED, result=outcome.result, reason=reason)

    def _move(self, execution: Execution, outcome: Outcome, masker: Masker) -> Move:
        result = masker.value(outcome.result)
        reason = masker.text(outcome.reason)
        size = len(dumps(result)) if outcome.status is not Status.REQUESTED else 0
        if size > self._settings.result_bytes:
            note = f"the result of {size} bytes is larger than worker.result_bytes ({self._settings.result_bytes}) and was dropped"
            result = {"error": note, "failed": True}
            outcome = Outcome(status=Status.FAILED, reason=note)
            reason = note
        return Move(
            execution_id=execution.id, status=outcome.status, actor=f"worker {self.membership.id}", reason=reason,
            token=execution.token, result=result,
        )  # fmt: skip
