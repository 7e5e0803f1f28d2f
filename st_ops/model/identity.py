"""Identifiers and times: made without coordination, sortable by time, the same on every backend."""

from __future__ import annotations

import itertools
import os
import threading
import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_lock = threading.Lock()
_process: tuple[int, str] = (0, "")
_counter = itertools.count()


def new_id() -> str:
    """A new identifier: 24 hexadecimal digits, time-ordered (4 bytes seconds, 5 random per process, 3 counting).

    The form is MongoDB's ObjectId, which StackStorm's clients expect. Within one process ids ascend;
    the counter starts anew in a forked child together with new random bytes.
    """
    global _process, _counter
    pid = os.getpid()
    if _process[0] != pid:
        with _lock:
            if _process[0] != pid:
                _counter = itertools.count()
                _process = (pid, os.urandom(5).hex())
    return f"{int(time.time()):08x}{_process[1]}{next(_counter) & 0xFFFFFF:06x}"


def first_id(moment: datetime) -> str:
    """No identifier made before the second of ``moment`` is larger, none made after it is smaller."""
    return f"{int(moment.timestamp()):08x}{'0' * 16}"


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware ``moment``: how the store keeps times."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(value: int) -> datetime:
    """The aware UTC moment of ``value`` microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=value)


def iso(moment: datetime) -> str:
    """``YYYY-MM-DDTHH:MM:SS.ffffffZ``, StackStorm's form."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_time(text: str) -> datetime:
    """The UTC moment of an ISO 8601 ``text``; without an offset it is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
