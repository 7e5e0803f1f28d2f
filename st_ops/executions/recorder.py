"""Recording how runs ended: many at once, each only with its present token."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from st_ops.bus.interface import Bus
from st_ops.executions.lifecycle import Bells, Lifecycle
from st_ops.model.executions import OutputLine
from st_ops.store import outputs
from st_ops.store.database import Database, Tx
from st_ops.store.executions import Move, Moved
from st_ops.store.group_commit import GroupCommit


@dataclass(frozen=True)
class Report:
    """The end of one run: the move to its final status, and what it printed last."""

    move: Move
    lines: Sequence[OutputLine] = ()


class Recorder:
    """Concurrent reports share a commit; what they entail (events, bells) comes with it."""

    def __init__(self, database: Database, bus: Bus, lifecycle: Lifecycle) -> None:
        self._bus = bus
        self._lifecycle = lifecycle
        self._bells = Bells()
        self._commit: GroupCommit[Report, Moved] = GroupCommit("recorder", database, self._write, self._ring)

    def open(self) -> None:
        """Start recording."""
        self._commit.open()

    def close(self) -> None:
        """Record what was reported and stop. Idempotent."""
        self._commit.close()

    def report(self, report: Report) -> Future[Moved]:
        """Record one report; the future resolves after the commit. A stale token is a refusal, not an error."""
        return self._commit.submit(report)

    def _write(self, tx: Tx, batch: Sequence[Report]) -> list[Moved]:
        # One thread writes and rings in turn, so one set of bells at a time is enough.
        self._bells = Bells()
        outputs.append(tx, [line for report in batch for line in report.lines])
        return self._lifecycle.move_in(tx, [report.move for report in batch], self._bells)

    def _ring(self, done: Sequence[Moved]) -> None:
        self._bells.ring(self._bus)
