"""How bells are awaited on a connection: by reading a socket, or, within one process, by being woken."""

from __future__ import annotations

import contextlib
import threading
from typing import ClassVar, Protocol
from weakref import WeakValueDictionary

from kombu import Connection

#: Seconds a read of a socket may take, so that the thread notices a new topic or the end.
STEP = 0.25

#: Pings of ours that Redis may leave unanswered, one every HEARTBEAT seconds.
_UNANSWERED = 2

#: Messages taken from memory at once before they are handed over.
_BATCH = 1_000


class Line(Protocol):
    """The way in which one bus waits for messages."""

    @property
    def guard(self) -> contextlib.AbstractContextManager[object]:
        """Held while publishing and declaring: kombu's memory transport is not made for threads."""

    def published(self) -> None:
        """Called after a message was published, with ``guard`` held."""

    def wake(self) -> None:
        """Make a ``receive`` under way return soon."""

    def receive(self, connection: Connection) -> None:
        """Run the consumer's callbacks for what has arrived, waiting a while when nothing has."""


class SocketLine:
    """Waits on the broker's socket, and keeps the connection's health in the same thread."""

    guard: contextlib.AbstractContextManager[object] = contextlib.nullcontext()

    def published(self) -> None:
        """Nothing to do: the broker tells."""

    def wake(self) -> None:
        """Nothing to do: a read takes STEP at most."""

    def receive(self, connection: Connection) -> None:
        """Read for at most STEP seconds; raises what kombu raises when the broker is gone."""
        with contextlib.suppress(TimeoutError):
            connection.drain_events(timeout=STEP)
        if connection.supports_heartbeats:
            connection.heartbeat_check()
        if connection.transport.driver_type == "redis":
            _check_redis(connection)


class MemoryLine:
    """Woken by the publisher in the same process: no polling, no delay (kombu alone polls once a second).

    Buses on one URL and namespace share a hub, through which the one's publishing wakes the others.
    """

    def __init__(self, url: str, namespace: str) -> None:
        self._hub = _Hub.of(url, namespace)
        self._seen = 0

    @property
    def guard(self) -> contextlib.AbstractContextManager[object]:
        """The hub's lock."""
        return self._hub.changed

    def published(self) -> None:
        """Wake every bus on this hub."""
        self._hub.ring()

    def wake(self) -> None:
        """Wake every bus on this hub; one with nothing to do waits again."""
        with self._hub.changed:
            self._hub.ring()

    def receive(self, connection: Connection) -> None:
        """Wait until woken, then take what there is."""
        with self._hub.changed:
            while self._seen == self._hub.rings:
                self._hub.changed.wait()
            self._seen = self._hub.rings
        for _ in range(_BATCH):
            try:
                connection.drain_events(timeout=0)
            except TimeoutError:
                return
        self._seen = -1  # more may be waiting: come back at once


class _Hub:
    """What the buses of one process on one memory URL and namespace have in common."""

    # kombu keeps the messages of memory:// in class-level tables; the wake belongs where they are.
    _all: ClassVar[WeakValueDictionary[tuple[str, str], _Hub]] = WeakValueDictionary()
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.rings = 0

    @classmethod
    def of(cls, url: str, namespace: str) -> _Hub:
        """The hub of ``url`` and ``namespace``, made when it is not there."""
        with cls._lock:
            hub = cls._all.get((url, namespace))
            if hub is None:
                hub = cls._all[url, namespace] = cls()
            return hub

    def ring(self) -> None:
        """Wake everybody; ``changed`` is held."""
        self.rings += 1
        self.changed.notify_all()


def _check_redis(connection: Connection) -> None:
    """Raise ConnectionError when Redis has left our pings on the PUB/SUB connection unanswered.

    Inside an event loop kombu does the like by itself; outside one it does not, and what it does (subscribing
    anew in silence) would hide that bells were missed.
    """
    for channel in connection.transport.channels:
        client = vars(channel).get("subclient")
        if client is None or client.connection is None:
            continue
        if client.health_check_response_counter >= _UNANSWERED:
            raise ConnectionError(f"Redis left {_UNANSWERED} pings unanswered")
        client.check_health()
