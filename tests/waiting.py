"""Waiting for something to become true, with a deadline, instead of sleeping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds between two looks.
_STEP = 0.01


def eventually(condition: Callable[[], T], deadline: float = 10, what: str = "") -> T:
    """Look at ``condition`` until it returns something true, and return that.

    An AssertionError from ``condition`` counts as "not yet". After ``deadline`` seconds it fails with a sentence
    that names ``what`` was awaited (the condition's name when not given) and what was seen last.
    """
    pause = threading.Event()
    end = time.monotonic() + deadline
    while True:
        try:
            seen: object = condition()
        except AssertionError as wrong:
            seen = wrong
        else:
            if seen:
                return seen  # type: ignore[return-value]
        if time.monotonic() > end:
            name = what or getattr(condition, "__name__", "the condition")
            raise AssertionError(f"{name} did not come true within {deadline} s; last seen: {seen!r}")
        pause.wait(_STEP)
