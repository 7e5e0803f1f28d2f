"""What was sent to us and could not become an event: counted, and kept with its reason."""

from __future__ import annotations

import logging
import threading
import time

from anyio import to_thread

from st_ops.errors import Unavailable
from st_ops.logs import facts
from st_ops.metrics import Metrics
from st_ops.model.events import RejectedEvent
from st_ops.store import events
from st_ops.store.database import Database

log = logging.getLogger(__name__)

#: Most that are kept in a minute: whoever floods us with rubbish must not fill the disk. All are counted.
_KEPT_PER_MINUTE = 600


class Rejections:
    """Keeps refused events."""

    def __init__(self, database: Database, metrics: Metrics, body_bytes: int) -> None:
        """``body_bytes``: how much of a body is kept."""
        self._database = database
        self._metrics = metrics
        self._body_bytes = body_bytes
        self._lock = threading.Lock()
        self._minute = 0
        self._kept = 0

    async def keep(self, source: str, status: int, reason: str, body: bytes = b"") -> None:
        """Count and keep one. The store being away costs the record, not the answer."""
        self.count(source, status)
        if not self._may_keep():
            return
        text = body[: self._body_bytes].decode("utf-8", "replace")
        entry = RejectedEvent(source=source, status_code=status, reason=reason, body=text)
        try:
            await to_thread.run_sync(self._store, entry)
        except Unavailable as exc:
            log.warning("A refused event is not kept: %s", exc, extra=facts(source=source, status=status))

    def count(self, source: str, status: int) -> None:
        """Count one without keeping it."""
        self._metrics.rejected.labels(source, str(status)).inc()

    def _store(self, entry: RejectedEvent) -> None:
        with self._database.write() as tx:
            events.reject(tx, entry)

    def _may_keep(self) -> bool:
        with self._lock:
            minute = int(time.monotonic() // 60)
            if minute != self._minute:
                self._minute, self._kept = minute, 0
            self._kept += 1
            return self._kept <= _KEPT_PER_MINUTE
