"""One run: from a claimed execution to the report of how it ended."""

from __future__ import annotations

import logging
import traceback
from typing import Protocol

from st_ops.errors import ExpressionError, UserError
from st_ops.executions.console import OutputConsole, OutputWriter
from st_ops.executions.desk import Report
from st_ops.executions.jobs import Jobs
from st_ops.expressions.masker import Masker
from st_ops.logs import facts
from st_ops.model.executions import Execution, Outcome
from st_ops.model.status import Status
from st_ops.runners.base import Runner, Stop
from st_ops.settings import WorkerSettings
from st_ops.store.executions import Move
from st_ops.store.types import dumps

log = logging.getLogger(__name__)

#: Reason given to runs that are stopped because their worker shuts down.
SHUTDOWN = "the worker was shut down"
#: Reason given to runs whose lease lapsed while they ran.
LOST = "the worker lost its lease"


class Runners(Protocol):
    """Where the runner of an execution is found."""

    def for_type(self, name: str) -> Runner:
        """The runner of this runner type. Raises NotFound."""


class Running:
    """Runs executions, each in the thread that calls."""

    def __init__(self, jobs: Jobs, runners: Runners, writer: OutputWriter, settings: WorkerSettings) -> None:
        self._jobs = jobs
        self._runners = runners
        self._writer = writer
        self._settings = settings

    def is_inline(self, execution: Execution) -> bool:
        """True when the run takes microseconds and needs no thread of its own."""
        return self._runners.for_type(execution.runner).inline

    def run(self, execution: Execution, stop: Stop, worker_id: str) -> Report:
        """Run it to its end. Never raises: what goes wrong is the outcome."""
        console: OutputConsole | None = None
        masker = Masker(())
        try:
            prepared = self._jobs.prepare(execution)
            masker = prepared.masker
            cap = self._settings.output_bytes
            console = OutputConsole(self._writer, execution.id, execution.attempt, cap, masker)
            outcome = self._runners.for_type(execution.runner).run(prepared.job, console, stop)
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
        move = self._move(execution, _after_stop(execution, outcome, stop), masker, worker_id)
        return Report(execution, move, console.drain() if console else ())

    def _move(self, execution: Execution, outcome: Outcome, masker: Masker, worker_id: str) -> Move:
        result, reason, status = masker.value(outcome.result), masker.text(outcome.reason), outcome.status
        size = len(dumps(result))
        if size > self._settings.result_bytes:
            limit = self._settings.result_bytes
            reason = (
                f"the result of {size} bytes is larger than worker.result_bytes ({limit}) and was dropped"
            )
            result, status = {"error": reason, "failed": True}, Status.FAILED
        return Move(
            execution_id=execution.id, status=status, actor=f"worker {worker_id}", reason=reason,
            token=execution.token, result=result,
        )  # fmt: skip


def _after_stop(execution: Execution, outcome: Outcome, stop: Stop) -> Outcome:
    """A run that was stopped for the worker's sake is not canceled: it runs again, or its outcome is unknown."""
    if stop.reason not in (SHUTDOWN, LOST) or outcome.status is not Status.CANCELED:
        return outcome
    if execution.idempotent:
        reason = f"{stop.reason}; the action is idempotent, so it is run again"
        return Outcome(status=Status.REQUESTED, reason=reason)
    reason = f"{stop.reason} while it ran this; whether it took effect is unknown"
    return Outcome(status=Status.ABANDONED, result=outcome.result, reason=reason)
