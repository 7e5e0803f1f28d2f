"""The loop every engine runs: woken by bells, and by the sweep when a bell was lost, it works until nothing is left."""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable, Sequence

from st_ops.bus.interface import Bus
from st_ops.errors import StOpsError
from st_ops.model.bells import Bell, Topic

log = logging.getLogger(__name__)

#: Longest pause between two tries while the store is away, in seconds.
_LONGEST_PAUSE = 10.0


def _heeds_all(_bell: Bell) -> bool:
    return True


class EngineLoop:
    """One thread that calls ``work`` until it answers False, whenever a bell of ``topics`` rings and at every sweep."""

    def __init__(
        self,
        name: str,
        bus: Bus,
        topics: Sequence[Topic],
        work: Callable[[], bool],
        sweep_seconds: float,
        *,
        heeds: Callable[[Bell], bool] = _heeds_all,
        rests: Callable[[], float] = lambda: math.inf,
    ) -> None:
        """``work`` does one batch and answers whether it is worth calling again at once. Only bells that ``heeds``
        says yes to wake it. It is called again after ``rests()`` seconds at the latest, and at every sweep.
        """
        self._name = name
        self._bus = bus
        self._topics = topics
        self._work = work
        self._heeds = heeds
        self._rests = rests
        self._sweep_seconds = sweep_seconds
        self._wake = threading.Event()
        #: A bell rang before the present round began: there should be something to do.
        self.rung = False
        self._bell = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def open(self) -> None:
        """Subscribe and start."""
        if self._topics:
            self._bus.subscribe(self._topics, self._rung)
        self._thread.start()

    def close(self, seconds: float | None = None) -> None:
        """Let the batch under way end (wait for it at most ``seconds``; None = as long as it takes). Idempotent."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(seconds)

    @property
    def closing(self) -> bool:
        """True once ``close`` was called: long work should end at the next good moment."""
        return self._closing.is_set()

    def wake(self) -> None:
        """Look into the store now."""
        self._wake.set()

    def _rung(self, bell: Bell) -> None:
        if self._heeds(bell):
            self._bell = True
            self._wake.set()

    def _run(self) -> None:
        failures = 0
        while not self._closing.is_set():
            # Cleared first: a bell during the work means another round.
            self._wake.clear()
            self.rung, self._bell = self._bell, False
            try:
                while self._work() and not self._closing.is_set():
                    failures = 0
                failures = 0
            except StOpsError as exc:
                failures += 1
                log.warning("%s failed, trying again: %s", self._name, exc)
            except Exception:  # the edge of this loop: the next round tries again
                failures += 1
                log.exception("%s failed, trying again.", self._name)
            self._pause(failures)

    def _pause(self, failures: int) -> None:
        if not failures:
            self._wake.wait(min(self._sweep_seconds, self._rests()))
            return
        longest = min(_LONGEST_PAUSE, 0.1 * 2 ** min(failures, 10))
        self._closing.wait(longest * (0.5 + random.random() / 2))  # noqa: S311 - jitter, no secret
