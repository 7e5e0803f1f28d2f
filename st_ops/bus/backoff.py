"""How long to wait before trying a broker again."""

from __future__ import annotations

import random


class Backoff:
    """Doubling delays from ``first`` to ``longest`` seconds, each shortened at random.

    The chance spreads the processes of a platform, which all lose the broker at the same moment.
    """

    def __init__(self, first: float = 0.1, longest: float = 5.0) -> None:
        self._first = first
        self._longest = longest
        self._next = first

    def delay(self) -> float:
        """Seconds to wait now: between half of the present step and the whole of it."""
        step, self._next = self._next, min(self._next * 2, self._longest)
        return step * random.uniform(0.5, 1)  # noqa: S311 - spreads load, guards nothing

    def reset(self) -> None:
        """Begin anew after a success."""
        self._next = self._first
