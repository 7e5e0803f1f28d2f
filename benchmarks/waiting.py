"""Waiting for the platform, but not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(ask: Callable[[], T | None], what: str, *, pause: float = 0.02, seconds: float = 180.0) -> T:
    """The first true answer of ``ask``; raises TimeoutError, saying ``what`` did not happen, after ``seconds``."""
    end = time.monotonic() + seconds
    while not (answer := ask()):
        if time.monotonic() > end:
            raise TimeoutError(f"After {seconds:g} s: {what}.")
        time.sleep(pause)
    return answer
