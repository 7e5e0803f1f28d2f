"""Publishing: at once within one process, through a thread and an outbox to a broker."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import Any, Protocol

from kombu import Connection, Producer

from st_ops.bus import topology
from st_ops.bus.line import Line
from st_ops.bus.link import Link
from st_ops.bus.message import CONTENT_TYPE, encode
from st_ops.bus.outbox import Outbox
from st_ops.model.bells import Bell, Topic

#: Seconds ``close`` waits for the broker to take what is left.
_LAST_CALL = 1.0


class Publisher(Protocol):
    """The sending half of a bus."""

    @property
    def dropped(self) -> int:
        """Bells given up."""

    def open(self) -> None:
        """Begin to send."""

    def publish(self, bell: Bell) -> None:
        """Send ``bell``, now or later; never raises for an absent broker."""

    def close(self) -> None:
        """End, having sent what can be sent."""


class MemoryPublisher:
    """Puts bells into the queues of this process in the caller's own thread: there is nothing to wait for."""

    def __init__(self, connection: Connection, namespace: str, line: Line) -> None:
        self._connection = connection
        self._namespace = namespace
        self._line = line
        self._producer: Producer | None = None
        self._closed = False
        self.dropped = 0

    def open(self) -> None:
        """Nothing to begin."""

    def publish(self, bell: Bell) -> None:
        """Deliver ``bell`` to the queues and wake their consumers."""
        with self._line.guard:
            if self._closed:
                self.dropped += 1
                return
            if self._producer is None:
                self._producer = _producer(self._connection, self._namespace)
            _send(self._producer, self._namespace, bell)
            self._line.published()

    def close(self) -> None:
        """End."""
        with self._line.guard:
            self._closed = True
            self._connection.release()


class BrokerPublisher:
    """Sends from a thread of its own, with publisher confirms where the broker has them."""

    def __init__(self, url: str, namespace: str) -> None:
        self._namespace = namespace
        self._outbox = Outbox()
        self._stopping = threading.Event()
        self._link = Link("publisher", lambda: topology.connection(url, publisher=True), self._stopping)
        self._thread = threading.Thread(
            target=self._link.run, args=(self._send_all,), name="bus-publisher", daemon=True
        )

    @property
    def dropped(self) -> int:
        """Bells given up."""
        return self._outbox.dropped

    def open(self) -> None:
        """Start the thread."""
        self._thread.start()

    def publish(self, bell: Bell) -> None:
        """Put ``bell`` into the outbox."""
        self._outbox.put(bell)

    def close(self) -> None:
        """Let the thread send what is left for a second, then end it and count the rest as dropped."""
        self._outbox.close()
        if self._thread.is_alive():
            self._thread.join(_LAST_CALL)
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(topology.ANSWER_TIMEOUT + topology.CONNECT_TIMEOUT)
        self._outbox.abandon()

    def _send_all(self, connection: Connection) -> None:
        """Send until the outbox is closed and empty; a bell that fails waits for the next connection."""
        producer = _producer(connection, self._namespace)
        self._link.up(connection)
        while not self._stopping.is_set():
            bell = self._outbox.take(None)
            if bell is None:
                self._stopping.set()
                return
            try:
                _send(producer, self._namespace, bell)
            except BaseException:
                self._outbox.put_back(bell)
                raise


def _producer(connection: Connection, namespace: str) -> Producer:
    """A producer on a channel that knows every topic's exchange; connects."""
    channel = connection.channel()
    if connection.transport.driver_type == "redis":
        # kombu makes a client for every message, which takes three times as long as sending it.
        client = channel.client
        channel.conn_or_acquire = lambda _client=None: nullcontext(client)
    for topic in Topic:
        topology.exchange(namespace, topic).bind(channel).declare()
    return Producer(channel, auto_declare=False)


def _send(producer: Producer, namespace: str, bell: Bell) -> None:
    options: dict[str, Any] = {}
    if producer.connection.transport.driver_type == "amqp":
        options["confirm_timeout"] = topology.ANSWER_TIMEOUT
    producer.publish(
        encode(bell),
        exchange=topology.exchange(namespace, bell.topic),
        routing_key="",
        content_type=CONTENT_TYPE,
        content_encoding="utf-8",
        retry=False,
        **options,
    )
