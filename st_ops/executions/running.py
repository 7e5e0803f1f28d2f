"""One run: from a claimed execution to the report of how it ended."""

from __future__ import annotations

import logging
import traceback
from typing import Protocol

from st_ops.artifacts.keeping import Kept
from st_ops.errors import ExpressionError, UserError
from st_ops.executions.console import OutputConsole, OutputWriter
from st_ops.executions.desk import Report
from st_ops.executions.jobs import Jobs
from st_ops.executions.rooms import Rooms
from st_ops.expressions.masker import Masker
from st_ops.logs import facts
from st_ops.model.executions import Execution, Outcome
from st_ops.model.status import Status
from st_ops.runners.base import Runner, Stop
from st_ops.security.secrets import is_sealed
from st_ops.settings import WorkerSettings
from st_ops.store.executions import Move
from st_ops.store.types import dumps

log = logging.getLogger(__name__)

#: Reason given to runs that are stopped because their worker shuts down.
SHUTDOWN = "the worker was shut down"
#: Reason given to runs whose lease lapsed while they ran.
LOST = "the worker lost its lease"

#: Runs of one execution after which an action that loses its sandbox is not run again: it may be what ends it.
_MOST_RUNS = 10


class Runners(Protocol):
    """Where the runner of an execution is found."""

    #: The runner types whose runs take microseconds.
    inline: frozenset[str]

    def for_type(self, name: str) -> Runner:
        """The runner of this runner type. Raises NotFound."""


class Running:
    """Runs executions, each in the thread that calls."""

    def __init__(
        self, jobs: Jobs, runners: Runners, rooms: Rooms, writer: OutputWriter, settings: WorkerSettings
    ) -> None:
        self._jobs = jobs
        self._runners = runners
        self._rooms = rooms
        self._writer = writer
        self._settings = settings

    @property
    def inline(self) -> frozenset[str]:
        """The runner types whose runs take microseconds and need no thread of their own."""
        return self._runners.inline

    def run(self, execution: Execution, stop: Stop, worker_id: str) -> Report:
        """Run it to its end. Never raises: what goes wrong is the outcome."""
        masker = Masker()
        cap = self._settings.output_bytes
        console = OutputConsole(self._writer, execution.id, execution.attempt, cap, masker)
        outcome, kept = self._in_room(execution, stop, console, masker)
        outcome = _after_loss(execution, _after_stop(execution, outcome, stop))
        try:
            move = self._move(execution, outcome, masker, worker_id)
        except Exception as exc:  # the edge of a run: a result that breaks us must not hold its slot for ever
            log.exception("A result cannot be recorded.", extra=facts(execution_id=execution.id))
            why = f"the result of this run ({outcome.status}) cannot be recorded: {type(exc).__name__}: {exc}"
            move = self._move(execution, _failed(why), masker, worker_id)
        console.close()
        return Report(execution, move, console.drain(), kept.artifacts)

    def _in_room(
        self, execution: Execution, stop: Stop, console: OutputConsole, masker: Masker
    ) -> tuple[Outcome, Kept]:
        """Run it with a room of its own, and keep what it leaves there."""
        if execution.runner in self.inline:
            return self._outcome(execution, stop, console, masker), Kept()
        try:
            room = self._rooms.make()
        except OSError as exc:
            reason = f"no folder for its artifacts could be made: {exc.strerror} ({exc.filename})"
            return _failed(reason), Kept()
        outcome = self._outcome(execution, stop, console, masker, str(room))
        kept = self._rooms.clear(execution, room, lambda note: console.write("stderr", f"[{note}]\n"))
        if not kept.notes:
            return outcome, kept
        more = f" ({len(kept.notes) - 1} more: see its output)" if len(kept.notes) > 1 else ""
        reason = f"{outcome.reason} {kept.notes[0]}{more}".strip()
        return outcome.model_copy(update={"reason": reason}), kept

    def _outcome(
        self, execution: Execution, stop: Stop, console: OutputConsole, masker: Masker, room: str = ""
    ) -> Outcome:
        try:
            job = self._jobs.prepare(execution, masker, room)
            return self._runners.for_type(execution.runner).run(job, console, stop)
        except (UserError, ExpressionError) as exc:
            return _failed(str(exc))
        except Exception as exc:  # noqa: BLE001  # a runner's bug is the execution's failure, with its traceback
            # Masked: the message of an exception may well show a parameter.
            trace = masker.text(traceback.format_exc())
            log.error("Runner %s broke.\n%s", execution.runner, trace, extra=facts(execution_id=execution.id))
            result = {"error": f"{type(exc).__name__}: {exc}", "traceback": trace, "failed": True}
            reason = f"runner {execution.runner} broke: {exc}"
            return Outcome(status=Status.FAILED, result=result, reason=reason)

    def remove_files(self, locations: list[str]) -> None:
        """Remove kept files that no artifact names any more."""
        self._rooms.remove(locations)

    def _move(self, execution: Execution, outcome: Outcome, masker: Masker, worker_id: str) -> Move:
        # Sealed first: a secret output is wanted by later tasks as it is, but nowhere in the clear beside it.
        sealed = self._jobs.seal_result(execution, outcome.result, masker)
        result, reason, status = masker.value(sealed, is_sealed), masker.text(outcome.reason), outcome.status
        size = len(dumps(result))
        if size > self._settings.result_bytes:
            limit = self._settings.result_bytes
            reason = (
                f"the result of {size} bytes is larger than worker.result_bytes ({limit}) and was dropped"
            )
            result, status = {"error": reason, "failed": True}, Status.FAILED
        return Move(
            execution_id=execution.id, status=status, actor=f"worker {worker_id}", reason=reason,
            token=execution.token, limited=execution.limited, result=result,
        )  # fmt: skip


def _failed(reason: str) -> Outcome:
    return Outcome(status=Status.FAILED, result={"error": reason, "failed": True}, reason=reason)


def _after_stop(execution: Execution, outcome: Outcome, stop: Stop) -> Outcome:
    """A run that was stopped for the worker's sake is not canceled: it runs again, or its outcome is unknown."""
    if stop.reason not in (SHUTDOWN, LOST) or outcome.status is not Status.CANCELED:
        return outcome
    if execution.idempotent:
        reason = f"{stop.reason}; the action is idempotent, so it is run again"
        return Outcome(status=Status.REQUESTED, reason=reason)
    reason = f"{stop.reason} while it ran this; whether it took effect is unknown"
    return Outcome(status=Status.ABANDONED, result=outcome.result, reason=reason)


def _after_loss(execution: Execution, outcome: Outcome) -> Outcome:
    """A run whose sandbox was killed is like one whose worker was lost: it runs again, or its outcome is unknown."""
    if not outcome.lost:
        return outcome
    if execution.idempotent and execution.attempt < _MOST_RUNS:
        reason = f"{outcome.reason} The action is idempotent, so it is run again."
        return Outcome(status=Status.REQUESTED, reason=reason)
    tries = f" It was run {execution.attempt} times." if execution.idempotent else ""
    reason = f"{outcome.reason} Whether it took effect is unknown.{tries}"
    return Outcome(status=Status.ABANDONED, result=outcome.result, reason=reason)
