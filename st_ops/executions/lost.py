"""What becomes of executions whose worker was lost (guarantee 4)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from st_ops.bus.interface import Bus
from st_ops.errors import Unavailable
from st_ops.executions.lifecycle import Bells, Lifecycle
from st_ops.logs import facts
from st_ops.model.executions import Execution
from st_ops.model.status import Status
from st_ops.store import workers
from st_ops.store.database import Database, Tx
from st_ops.store.executions import UNSET, Move, Unset

log = logging.getLogger(__name__)


def decide(execution: Execution) -> Move:
    """The move of an execution whose worker is gone, with the reason for the audit log."""
    lost = f"worker {execution.worker_id} was lost while it ran this"
    status = Status.ABANDONED
    result: dict[str, str] | Unset = UNSET
    if execution.status is Status.CANCELING:
        status, reason = Status.CANCELED, f"{lost}, canceling"
    elif execution.idempotent:
        status, reason = Status.REQUESTED, f"{lost}; the action is idempotent, so it is run again"
    else:
        reason = f"{lost}; whether it took effect is unknown, and the action is not declared idempotent"
        result = {"error": reason}
    # Under its token: whoever claimed it anew meanwhile is not lost.
    return Move(
        execution_id=execution.id,
        status=status,
        actor="reaper",
        reason=reason,
        token=execution.token,
        result=result,
    )


class Reaper:
    """Notices lapsed leases, on any node, and moves what the lost workers held."""

    def __init__(self, database: Database, bus: Bus, lifecycle: Lifecycle, *, lease_seconds: float) -> None:
        """``lease_seconds``: how long a worker may be silent; looked at three times within that."""
        self._database = database
        self._bus = bus
        self._lifecycle = lifecycle
        self._lease_seconds = lease_seconds
        self._trusts_from = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)

    def open(self) -> None:
        """Take up what was left behind at once, then watch the leases."""
        self._be_patient()
        self.sweep()
        self._thread.start()

    def close(self) -> None:
        """Stop. Idempotent."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(self._lease_seconds / 3):
            try:
                self.sweep()
            except Unavailable as exc:
                log.warning("Lost workers cannot be looked for: %s", exc)
                self._be_patient()
            except Exception:  # the edge of this loop: the next round tries again
                log.exception("Looking for lost workers failed.")

    def _be_patient(self) -> None:
        # While the store is away nobody can extend a lease: all get the time to do so once it is back.
        self._trusts_from = time.monotonic() + self._lease_seconds

    def sweep(self) -> list[Execution]:
        """One round; answers the executions that were moved."""
        bells = Bells()
        with self._database.write() as tx:
            workers.reap_lost(tx, lapsed=time.monotonic() >= self._trusts_from)
            # Workflows of a lost engine are adopted by a living one, not moved.
            found = workers.orphans(tx, workflows=False)
            self._move(tx, found, bells)
        bells.ring(self._bus)
        return found

    def _move(self, tx: Tx, orphans: Sequence[Execution], bells: Bells) -> None:
        moves = [decide(entry) for entry in orphans]
        for done in self._lifecycle.move_in(tx, moves, bells):
            what = facts(execution_id=done.move.execution_id, status=done.move.status)
            log.warning("%s", done.refused or done.move.reason, extra=what)
