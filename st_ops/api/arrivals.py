"""From the committing thread into the event loop: the results of one commit arrive in one wake-up, however many."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Arrivals(Generic[T]):
    """Waits, in one event loop, for futures that another thread resolves many at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: list[tuple[asyncio.Future[T], Future[T]]] = []

    async def all_of(self, futures: Sequence[Future[T]]) -> list[T]:
        """The results, in order. Raises what the first one that failed raised."""
        loop = asyncio.get_running_loop()
        waiting = [self._await(loop, future) for future in futures]
        return [await one for one in waiting]

    def _await(self, loop: asyncio.AbstractEventLoop, future: Future[T]) -> asyncio.Future[T]:
        here: asyncio.Future[T] = loop.create_future()

        def arrived(done: Future[T]) -> None:
            with self._lock:
                self._done.append((here, done))
                first = len(self._done) == 1
            # The others come along with the first: waking the loop is what costs.
            if first and not loop.is_closed():
                loop.call_soon_threadsafe(self._hand_over)

        future.add_done_callback(arrived)
        return here

    def _hand_over(self) -> None:
        with self._lock:
            arrived, self._done = self._done, []
        for here, done in arrived:
            if here.done():
                continue
            failure = done.exception()
            if failure is None:
                here.set_result(done.result())
            else:
                here.set_exception(failure)
                # Marked as seen: of several failures of one body only the first is told.
                here.exception()
