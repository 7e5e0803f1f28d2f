"""Being one of the living: a registered worker row whose lease a heartbeat extends."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable

from st_ops.errors import StOpsError
from st_ops.logs import facts
from st_ops.model.executions import WORKFLOW_QUEUE
from st_ops.model.identity import new_id, now
from st_ops.model.records import Worker
from st_ops.settings import WorkerSettings
from st_ops.store import processes, workers
from st_ops.store.database import Database

log = logging.getLogger(__name__)


class Membership:
    """One process's row among the workers, of kind ``runner``, ``workflows`` or ``rules``."""

    def __init__(
        self,
        database: Database,
        *,
        kind: str,
        settings: WorkerSettings,
        on_beat: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        """``on_beat`` is called after each heartbeat; ``on_lost`` when the lease had lapsed and all is lost."""
        self.id = new_id()
        self.draining = False
        self._database = database
        self._kind = kind
        self._settings = settings
        self._on_beat = on_beat
        self._on_lost = on_lost
        self._extended_at = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat-{kind}", daemon=True)

    def open(self) -> None:
        """Register and start the heartbeat."""
        self._register()
        self._thread.start()

    def close(self) -> None:
        """Sign off. What is still held becomes an orphan at once. Idempotent."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            with self._database.write() as tx:
                workers.unregister(tx, self.id)
        except StOpsError as exc:
            log.warning("Signing off failed; the lease will lapse by itself: %s", exc)

    @property
    def overdue(self) -> bool:
        """True when the lease was not extended for so long that all that is held may belong to others by now."""
        return time.monotonic() > self._extended_at + self._settings.lease_seconds

    def _register(self) -> None:
        runs = self._kind == "runner"
        entry = Worker(
            id=self.id, kind=self._kind, host=socket.gethostname(), pid=os.getpid(), process=processes.here(),
            queues=self._settings.queues if runs else [WORKFLOW_QUEUE] if self._kind == "workflows" else [],
            labels=self._settings.labels if runs else [], slots=self._settings.slots if runs else 0, expires_at=now(),
        )  # fmt: skip
        moment = time.monotonic()
        with self._database.write() as tx:
            # What a killed process of this host held is free at once, not when its lease lapses.
            workers.reap_lost(tx, lapsed=False)
            workers.register(tx, entry, self._settings.lease_seconds)
        self._extended_at = moment
        log.info("Registered.", extra=facts(worker_id=self.id, kind=self._kind))

    def _run(self) -> None:
        while not self._closing.wait(self._settings.heartbeat_seconds):
            try:
                self._beat()
                self._on_beat()
            except StOpsError as exc:
                log.warning("A heartbeat failed: %s", exc, extra=facts(worker_id=self.id))
            except Exception:  # the edge of this loop: the next beat tries again
                log.exception("A heartbeat failed.")

    def _beat(self) -> None:
        moment = time.monotonic()
        with self._database.write() as tx:
            alive = workers.heartbeat(tx, self.id, self._settings.lease_seconds)
            row = workers.get(tx, self.id) if alive else None
        if row is not None:
            self.draining = row.draining
            self._extended_at = moment
            return
        self._on_lost()
        # Under a new name: whatever the old one held is no longer ours.
        self.id = new_id()
        self._register()
