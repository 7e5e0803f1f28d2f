"""The one implementation of the bus, over memory://, redis:// and amqp:// URLs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from st_ops.bus import topology
from st_ops.bus.consumer import Consumer
from st_ops.bus.interface import BusCounts, Callback
from st_ops.bus.line import Line, MemoryLine, SocketLine
from st_ops.bus.publisher import BrokerPublisher, MemoryPublisher, Publisher
from st_ops.bus.subscriptions import Subscribed, Subscriptions
from st_ops.errors import Unavailable
from st_ops.model.bells import Bell, Topic


class KombuBus:
    """See interface.Bus. ``namespace`` keeps platforms (and tests) on one broker apart."""

    def __init__(self, url: str, *, namespace: str = "st_ops") -> None:
        self._url = url
        self._published = 0
        self._closed = False
        namespace = topology.checked_namespace(namespace)
        line: Line
        publisher: Publisher
        if topology.in_memory(url):
            line = MemoryLine(url, namespace)
            publisher = MemoryPublisher(topology.connection(url), namespace, line)
        else:
            line = SocketLine()
            publisher = BrokerPublisher(url, namespace)
        self._publisher = publisher
        self._subscriptions = Subscriptions(self._want_topics)
        self._consumer = Consumer(lambda: topology.connection(url), namespace, line, self._subscriptions)

    def open(self) -> None:
        """Start delivering; returns at once."""
        self._publisher.open()
        self._consumer.open()

    def close(self) -> None:
        """Send what waits if the broker takes it within a second, and stop."""
        if self._closed:
            return
        self._closed = True
        self._publisher.close()
        self._consumer.close()

    def publish(self, bell: Bell) -> None:
        """Ring ``bell``; never blocks on the broker, never raises when it is away."""
        self._published += 1
        self._publisher.publish(bell)

    def subscribe(self, topics: Iterable[Topic], callback: Callback) -> Subscribed:
        """Call ``callback`` with every bell of ``topics``."""
        return self._subscriptions.add(topics, callback)

    def ping(self) -> None:
        """Return when the broker answers a new connection; raises Unavailable with the reason."""
        connection = topology.connection(self._url)
        try:
            topology.connect(connection)
        except Exception as wrong:
            raise Unavailable("bus", f"{connection.as_uri()} does not answer ({wrong})") from wrong
        finally:
            with contextlib.suppress(Exception):
                connection.release()

    def _want_topics(self) -> None:
        self._consumer.more_topics()

    def counts(self) -> BusCounts:
        """What passed through so far."""
        return BusCounts(
            published=self._published,
            delivered=self._subscriptions.delivered,
            dropped=self._publisher.dropped,
            garbage=self._consumer.garbage,
            reconnects=self._consumer.reconnects,
        )
