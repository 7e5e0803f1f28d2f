"""The whole contract of the bus. The store is the truth, the bus is the bell.

A bell may be lost, doubled, merged with others or come out of order; that costs a subscriber the time until its
next sweep, never an event or an action. Every subscribed process gets every bell of its topics, and claims by
compare-and-set in the store.

Threads do not survive a fork: open a bus in the process that uses it, after any fork, and give none to a child.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from st_ops.model.bells import Bell, Topic

#: Called in the bus's one consumer thread, so it must return quickly: set an event, put on a queue.
Callback = Callable[[Bell], None]


@dataclass(frozen=True, kw_only=True)
class BusCounts:
    """What passed through one bus since it was made, in bells."""

    #: Handed over by callers of ``publish``.
    published: int
    #: Handed to callbacks.
    delivered: int
    #: Thrown away before sending: the broker was away for long, or the bus was closed.
    dropped: int
    #: Messages that were no bell we understand.
    garbage: int
    #: Times the consumer's connection was made anew.
    reconnects: int


class Subscription(Protocol):
    """One caller's interest in some topics."""

    def wait(self, seconds: float) -> bool:
        """Block until bells of all its topics reach this process, at most ``seconds``; True when they do."""

    def close(self) -> None:
        """No further call of the callback begins after this returns, save one that is under way. Idempotent."""


class Bus(Protocol):
    """Rings bells between the stages, in one process or over many hosts. Every method may be called from any thread."""

    def open(self) -> None:
        """Start delivering. Returns at once, whether or not the broker is there."""

    def close(self) -> None:
        """Send what waits if the broker takes it within a second, and stop. Never raises. Idempotent."""

    def publish(self, bell: Bell) -> None:
        """Ring ``bell``. Never blocks on the broker and never raises when it is away.

        Bells waiting for the broker are merged where they say the same, and the oldest are dropped when there
        are too many.
        """

    def subscribe(self, topics: Iterable[Topic], callback: Callback) -> Subscription:
        """Call ``callback`` with every bell of ``topics`` from now on, before or after ``open``.

        Whenever the connection is made, also the first time, the callback first gets one bell per topic with
        ``missed`` true: look at everything, since bells may have been lost until now. What the callback raises
        is logged and ends nothing.
        """

    def ping(self) -> None:
        """Return when the broker answers now; raises Unavailable when it does not within about 3 s."""

    def counts(self) -> BusCounts:
        """What passed through so far."""
