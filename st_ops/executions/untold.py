"""Runs that began and that nobody was told of: most end within milliseconds, and then only their end is told."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from st_ops.executions.lifecycle import Bells

#: Seconds after which the others are told that a run began.
_LINGER_SECONDS = 0.01


class Untold:
    """One worker's. Not for several threads at once."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}
        #: When the first of them began (monotonic).
        self._since = 0.0

    def add(self, execution_ids: Iterable[str]) -> None:
        """These began just now."""
        if not self._ids:
            self._since = time.monotonic()
        self._ids.update(dict.fromkeys(execution_ids))

    def tell(self, bells: Bells) -> None:
        """Have ``bells`` ring about them if it is time, but not about those whose end they ring for."""
        for identifier in bells.finished:
            self._ids.pop(identifier, None)
        if self.seconds() <= 0:
            bells.changed += self._ids
            self._ids.clear()

    def seconds(self) -> float:
        """How long until it is time; infinity when there are none."""
        return self._since + _LINGER_SECONDS - time.monotonic() if self._ids else math.inf
