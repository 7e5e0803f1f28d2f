"""Bells waiting for the broker: bounded, and merged while they wait."""

from __future__ import annotations

import threading
from collections import deque

from st_ops.bus.message import MOST_IDS
from st_ops.model.bells import Bell, Topic


class _Entry:
    """One bell to be; grows until it is full or taken."""

    __slots__ = ("data", "ids", "topic")

    def __init__(self, bell: Bell) -> None:
        self.topic = bell.topic
        self.ids = dict.fromkeys(bell.ids)
        self.data = bell.data

    def bell(self) -> Bell:
        return Bell(topic=self.topic, ids=list(self.ids), data=self.data)


class Outbox:
    """A queue of at most ``capacity`` bells. When it is full the oldest goes: the sweep finds what it stood for."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._changed = threading.Condition()
        self._entries: deque[_Entry] = deque()
        #: topic → the entry that further identities of it join.
        self._growing: dict[Topic, _Entry] = {}
        self._closed = False
        self.dropped = 0

    def put(self, bell: Bell) -> None:
        """Add ``bell``; after ``close`` it is dropped and counted."""
        with self._changed:
            if self._closed:
                self.dropped += 1
                return
            entry = self._growing.get(bell.topic)
            if entry is not None and bell.ids and not bell.data:
                entry.ids.update(dict.fromkeys(bell.ids))
                if len(entry.ids) >= MOST_IDS:
                    del self._growing[bell.topic]
                return
            self._append(bell)
            self._changed.notify()

    def take(self, seconds: float | None) -> Bell | None:
        """The oldest bell; None when there is none within ``seconds`` (None = no limit) or once closed and empty."""
        with self._changed:
            if not self._entries and not self._closed:
                self._changed.wait(seconds)
            if not self._entries:
                return None
            entry = self._entries.popleft()
            self._forget(entry)
            return entry.bell()

    def put_back(self, bell: Bell) -> None:
        """Return a bell that could not be sent to the front, even after ``close``."""
        with self._changed:
            self._entries.appendleft(_Entry(bell))

    def close(self) -> None:
        """Take in no more, and wake who waits in ``take``."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Drop and count what still waits."""
        with self._changed:
            self.dropped += len(self._entries)
            self._entries.clear()
            self._growing.clear()

    def _append(self, bell: Bell) -> None:
        if len(self._entries) >= self._capacity:
            self._forget(self._entries.popleft())
            self.dropped += 1
        entry = _Entry(bell)
        self._entries.append(entry)
        if bell.ids and not bell.data:
            self._growing[bell.topic] = entry

    def _forget(self, entry: _Entry) -> None:
        if self._growing.get(entry.topic) is entry:
            del self._growing[entry.topic]
