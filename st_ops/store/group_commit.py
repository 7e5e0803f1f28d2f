"""Group commit: many callers, one transaction, so that safety is not slow.

While one batch is being committed, the next gathers. A lone caller pays one commit; a hundred
concurrent callers share one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from st_ops.errors import Unavailable
from st_ops.store.database import Database, Tx

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class GroupCommit(Generic[T, R]):
    """Writes submitted items in batches from one thread of its own, which starts with the first item.

    ``write`` stores a batch and answers one result per item, in order. ``after`` is called with the
    results of each batch once they are committed (to ring a bell), in the committing thread.
    """

    def __init__(
        self,
        name: str,
        database: Database,
        write: Callable[[Tx, Sequence[T]], Sequence[R]],
        after: Callable[[Sequence[R]], None] | None = None,
        *,
        most: int = 1000,
    ) -> None:
        self._name = name
        self._database = database
        self._write = write
        self._after = after
        self._most = most
        self._condition = threading.Condition()
        self._waiting: list[tuple[T, Future[R]]] = []
        self._closed = False
        self._started = False
        self._thread = threading.Thread(target=self._run, name=f"commit-{name}", daemon=True)

    def open(self) -> None:
        """Start writing; ``submit`` does so too. Idempotent."""
        with self._condition:
            self._start()

    def _start(self) -> None:
        if not self._started and not self._closed:
            self._started = True
            self._thread.start()

    def close(self) -> None:
        """Commit what was submitted, then stop. Idempotent."""
        with self._condition:
            self._closed = True
            self._condition.notify()
            started = self._started
        if started:
            self._thread.join()

    def submit(self, item: T) -> Future[R]:
        """Queue ``item``; the future resolves after the commit, or raises what its write raised.

        Raises Unavailable when this writer is closed.
        """
        future: Future[R] = Future()
        with self._condition:
            if self._closed:
                raise Unavailable("store", f"the {self._name} writer is closing")
            self._waiting.append((item, future))
            self._start()
            if len(self._waiting) == 1:
                self._condition.notify()
        return future

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._closed:
                    self._condition.wait()
                if not self._waiting:
                    return
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self._commit(batch)

    def _commit(self, batch: list[tuple[T, Future[R]]]) -> None:
        try:
            with self._database.write() as tx:
                results = self._write(tx, [item for item, _ in batch])
        except Exception as exc:  # noqa: BLE001 - the edge of the committing loop: the failure goes to the callers
            if len(batch) == 1 or isinstance(exc, Unavailable):
                for _, future in batch:
                    future.set_exception(exc)
                return
            # One bad item must not fail its neighbours: each goes alone.
            log.warning("A batch of %d in %s failed (%s); writing one by one.", len(batch), self._name, exc)
            for entry in batch:
                self._commit([entry])
            return
        if self._after is not None:
            try:
                self._after(results)
            except Exception:  # committed already; a bell that fails costs only the sweep interval
                log.exception("The bell after a commit of %s failed.", self._name)
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)
