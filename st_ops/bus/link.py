"""A connection that comes back: made, used, and made again with growing pauses until its owner stops."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from kombu import Connection
from kombu.exceptions import OperationalError

from st_ops.bus import topology
from st_ops.bus.backoff import Backoff
from st_ops.logs import facts

log = logging.getLogger(__name__)


class Link:
    """Keeps one thread of the bus connected; ``made`` counts the connections that worked."""

    def __init__(self, name: str, connect: Callable[[], Connection], stopping: threading.Event) -> None:
        self._name = name
        self._connect = connect
        self._stopping = stopping
        self._backoff = Backoff()
        self._failures = 0
        self.made = 0

    def run(self, use: Callable[[Connection], None]) -> None:
        """Call ``use`` with a connection just made, again whenever it returns, until stopping is set.

        When ``use`` raises, the broker is taken to be away and the next try waits a little.
        """
        while not self._stopping.is_set():
            connection = self._connect()
            failed = False
            try:
                topology.connect(connection)
                use(connection)
            except Exception as gone:  # noqa: BLE001 - the loop's edge: whatever it was, connect anew
                failed = True
                self._report(connection, gone)
            _release(connection, failed=failed)
            if failed:
                self._stopping.wait(self._backoff.delay())

    def up(self, connection: Connection) -> None:
        """Said by ``use`` once the connection works: forget the pauses."""
        if self._failures:
            log.info("The bus is back", extra=facts(bus=connection.as_uri(), part=self._name))
        self._failures = 0
        self._backoff.reset()
        self.made += 1

    def _report(self, connection: Connection, gone: Exception) -> None:
        """Log the first failure of a row as a warning, the others for debugging; a bug with its traceback."""
        known = (*connection.connection_errors, *connection.channel_errors, OperationalError, OSError)
        self._failures += 1
        if not isinstance(gone, known):
            log.error("The bus failed in an unexpected way; connecting anew", exc_info=gone)
            return
        level = logging.WARNING if self._failures == 1 else logging.DEBUG
        seen = facts(bus=connection.as_uri(), part=self._name, error=type(gone).__name__)
        log.log(level, "The bus is away, trying again: %s", gone, extra=seen)


def _release(connection: Connection, *, failed: bool) -> None:
    """Close ``connection``; without asking the broker, which may hang, when it has ``failed`` already."""
    try:
        if failed and connection.transport.driver_type == "amqp":
            connection.collect()
        else:
            connection.release()
    except Exception as gone:  # noqa: BLE001 - whatever a broken connection raises while closing, it is closed
        log.debug("Closing a connection of the bus: %s", gone)
