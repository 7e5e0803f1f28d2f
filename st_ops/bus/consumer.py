"""Receiving: one thread with a connection of its own that hands every bell to the subscriptions."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable

from kombu import Connection, Message, Queue
from kombu import Consumer as KombuConsumer

from st_ops.bus import topology
from st_ops.bus.line import Line
from st_ops.bus.link import Link
from st_ops.bus.message import decode, merge
from st_ops.bus.subscriptions import Subscriptions
from st_ops.errors import InvalidInput
from st_ops.model.bells import Bell

log = logging.getLogger(__name__)

#: Seconds in which Redis confirms subscriptions.
_SUBSCRIBED_WITHIN = 0.1


class Consumer:
    """The receiving half of a bus."""

    def __init__(
        self, connect: Callable[[], Connection], namespace: str, line: Line, subscriptions: Subscriptions
    ) -> None:
        self._namespace = namespace
        self._line = line
        self._subscriptions = subscriptions
        self._stopping = threading.Event()
        self._new_topic = threading.Event()
        self._link = Link("consumer", connect, self._stopping)
        self._thread = threading.Thread(
            target=self._link.run, args=(self._receive_all,), name="bus-consumer", daemon=True
        )
        self._arrived: list[Bell] = []
        self.garbage = 0

    @property
    def reconnects(self) -> int:
        """Connections made after the first."""
        return max(0, self._link.made - 1)

    def open(self) -> None:
        """Start the thread."""
        self._thread.start()

    def more_topics(self) -> None:
        """The subscriptions want a topic that is not bound yet."""
        self._new_topic.set()
        self._line.wake()

    def close(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._new_topic.set()
        self._line.wake()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(topology.ANSWER_TIMEOUT + topology.CONNECT_TIMEOUT)

    def _receive_all(self, connection: Connection) -> None:
        """Receive until the end, or until a further topic is wanted, which takes a new connection."""
        self._new_topic.clear()
        topics = self._subscriptions.wanted
        if not topics:
            self._new_topic.wait()
            return
        driver = connection.transport.driver_type
        queues = self._consume(connection, topology.queues(self._namespace, sorted(topics), driver))
        try:
            self._link.up(connection)
            self._subscriptions.connected(topics)
            while not self._stopping.is_set() and self._subscriptions.wanted == topics:
                self._line.receive(connection)
                self._hand_over()
            self._retire(queues)
        finally:
            self._subscriptions.disconnected()

    def _consume(self, connection: Connection, queues: list[Queue]) -> list[Queue]:
        """Bind ``queues`` and begin to consume; returns them, bound, once what is published arrives."""
        with self._line.guard:
            consumer = KombuConsumer(connection.channel(), queues, no_ack=True, on_message=self._on_message)
            consumer.consume()
        if connection.transport.driver_type == "redis":
            _await_subscribed(connection)
        return list(consumer.queues)

    def _on_message(self, message: Message) -> None:
        """Keep the bell in ``message`` until the batch is handed over."""
        try:
            self._arrived.append(decode(message.body))
        except InvalidInput as wrong:
            self.garbage += 1
            log.warning("%s It is dropped.", wrong)

    def _hand_over(self) -> None:
        if self._arrived:
            arrived, self._arrived = self._arrived, []
            for bell in merge(arrived):
                self._subscriptions.deliver(bell)

    def _retire(self, queues: list[Queue]) -> None:
        """Take our queues away where no broker does it when the connection ends."""
        with self._line.guard:
            for queue in queues:
                if queue.channel.connection.client.transport.driver_type != "amqp":
                    # In this order: kombu deletes only what is bound, and forgets the route only when told.
                    queue.delete()
                    queue.unbind_from(queue.exchange)


def _await_subscribed(connection: Connection) -> None:
    """Redis confirms a subscription by a message, which kombu reads among the others: read for a moment."""
    with contextlib.suppress(TimeoutError):
        connection.drain_events(timeout=_SUBSCRIBED_WITHIN)
