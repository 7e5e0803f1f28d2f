"""Group commit: many callers, one transaction, so that safety is not slow.

While one batch is being committed, the next gathers. A lone caller pays one commit, in its own thread when it
waits for it; a hundred concurrent callers share one.
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
    """Writes items in batches, one batch at a time; those submitted from a thread of its own, which the first starts.

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
        failed: Callable[[], None] | None = None,
        most: int = 1000,
    ) -> None:
        """``failed`` is called when a batch was not committed, or it is not known whether it was."""
        self._name = name
        self._database = database
        self._write = write
        self._after = after
        self._failed = failed
        self._most = most
        self._condition = threading.Condition()
        self._waiting: list[tuple[T, Future[R]]] = []
        self._writing = False
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
            self._condition.notify_all()
            started = self._started
        if started:
            self._thread.join()
        with self._condition:
            self._condition.wait_for(lambda: not self._writing)

    def submit(self, item: T) -> Future[R]:
        """Queue ``item``; the future resolves after the commit, or raises what its write raised.

        Raises Unavailable when this writer is closed.
        """
        future: Future[R] = Future()
        with self._condition:
            if self._closed:
                raise self._closing()
            self._waiting.append((item, future))
            self._start()
            if len(self._waiting) == 1:
                self._condition.notify_all()
        return future

    def store(self, item: T) -> R:
        """Store ``item`` and answer its result after the commit. Raises what its write raised, and as ``submit``.

        While nobody else writes, in the calling thread: two changes of thread cost as much as a small commit.
        """
        with self._condition:
            if self._closed:
                raise self._closing()
            alone = not (self._writing or self._waiting)
            self._writing = self._writing or alone
        if not alone:
            return self.submit(item).result()
        future: Future[R] = Future()
        try:
            self._commit([(item, future)])
        finally:
            self._written()
        return future.result()

    def _written(self) -> None:
        with self._condition:
            self._writing = False
            self._condition.notify_all()

    def _closing(self) -> Unavailable:
        return Unavailable("store", f"the {self._name} writer is closing")

    def _run(self) -> None:
        while True:
            with self._condition:
                while self._writing or not (self._waiting or self._closed):
                    self._condition.wait()
                if not self._waiting:
                    return
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                self._writing = True
            self._commit(batch)
            self._written()

    def _commit(self, batch: list[tuple[T, Future[R]]]) -> None:
        try:
            with self._database.write() as tx:
                results = self._write(tx, [item for item, _ in batch])
        except Exception as exc:  # noqa: BLE001 - the edge of the committing loop: the failure goes to the callers
            if self._failed is not None:
                self._failed()
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
