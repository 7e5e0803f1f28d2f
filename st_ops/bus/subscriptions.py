"""Who in this process wants which bells, and handing them over."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from st_ops.bus.interface import Callback
from st_ops.bus.message import missed
from st_ops.logs import facts
from st_ops.model.bells import Bell, Topic

log = logging.getLogger(__name__)


class Subscribed:
    """One subscription; see interface.Subscription."""

    def __init__(self, registry: Subscriptions, topics: frozenset[Topic], callback: Callback) -> None:
        self._registry = registry
        self.topics = topics
        self.callback = callback
        self.closed = False

    def wait(self, seconds: float) -> bool:
        """Block until bells of all its topics reach this process, at most ``seconds``; True when they do."""
        return self._registry.wait(self.topics, seconds)

    def close(self) -> None:
        """No further call of the callback begins."""
        self.closed = True
        self._registry.remove(self)


class Subscriptions:
    """The subscriptions of one bus. ``live`` topics are those whose bells reach this process now."""

    def __init__(self, on_new_topic: Callable[[], None]) -> None:
        self._changed = threading.Condition()
        self._on_new_topic = on_new_topic
        self._all: tuple[Subscribed, ...] = ()
        self._wanted: frozenset[Topic] = frozenset()
        self._live: frozenset[Topic] = frozenset()
        self.delivered = 0

    @property
    def wanted(self) -> frozenset[Topic]:
        """Every topic anybody has asked for. It only grows: a topic once bound stays so."""
        return self._wanted

    def add(self, topics: Iterable[Topic], callback: Callback) -> Subscribed:
        """Subscribe ``callback`` to ``topics``."""
        one = Subscribed(self, frozenset(topics), callback)
        with self._changed:
            self._all = (*self._all, one)
            new = not one.topics <= self._wanted
            self._wanted |= one.topics
        if new:
            self._on_new_topic()
        return one

    def remove(self, one: Subscribed) -> None:
        """Forget ``one``."""
        with self._changed:
            self._all = tuple(other for other in self._all if other is not one)

    def wait(self, topics: frozenset[Topic], seconds: float) -> bool:
        """Block until all ``topics`` are live, at most ``seconds``; True when they are."""
        end = time.monotonic() + seconds
        with self._changed:
            while not topics <= self._live:
                if not self._changed.wait(max(0.0, end - time.monotonic())):
                    return topics <= self._live
        return True

    def connected(self, topics: frozenset[Topic]) -> None:
        """Bells of ``topics`` arrive from now on; tell every subscriber to look at everything once."""
        with self._changed:
            self._live = topics
            self._changed.notify_all()
        for topic in sorted(topics):
            self.deliver(missed(topic))

    def disconnected(self) -> None:
        """No bells arrive."""
        with self._changed:
            self._live = frozenset()

    def deliver(self, bell: Bell) -> None:
        """Hand ``bell`` to everybody who wants its topic; a callback that raises is logged and stays subscribed."""
        for one in self._all:
            if bell.topic not in one.topics or one.closed:
                continue
            try:
                one.callback(bell)
            except Exception:
                log.exception("A subscriber of %s failed", bell.topic, extra=facts(ids=bell.ids[:10]))
            self.delivered += 1
