"""The worker's desk: what it runs now, and the reports of runs that ended, waiting to be recorded."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from st_ops.model.artifacts import Artifact
from st_ops.model.executions import Execution, OutputLine
from st_ops.runners.base import Stop
from st_ops.store.executions import Move


@dataclass(frozen=True)
class Report:
    """The end of one run: the move to its final status, what it printed last, and what it left."""

    execution: Execution
    move: Move
    lines: Sequence[OutputLine] = ()
    #: Files that it left, kept already.
    artifacts: Sequence[Artifact] = ()


class Desk:
    """Thread-safe. An execution lies here from its claim until its end is recorded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, tuple[Execution, Stop]] = {}
        self._reports: list[Report] = []
        self._empty = threading.Event()
        self._empty.set()

    def take(self, execution: Execution) -> Stop:
        """A claimed execution begins; answers its stop."""
        stop = Stop()
        with self._lock:
            self._running[execution.id] = (execution, stop)
            self._empty.clear()
        return stop

    def wait_begun(self, seconds: float) -> None:
        """Block until what was claimed first has begun, at most ``seconds``."""
        with self._lock:
            stops = [stop for _execution, stop in self._running.values()]
        if stops:
            stops[0].wait_begun(seconds)

    def hand_in(self, report: Report) -> None:
        """A run ended."""
        with self._lock:
            self._reports.append(report)

    def reports(self) -> list[Report]:
        """The reports that wait; whoever takes them records them, or puts them back."""
        with self._lock:
            reports, self._reports = self._reports, []
        return reports

    def put_back(self, reports: Sequence[Report]) -> None:
        """These could not be recorded now."""
        with self._lock:
            self._reports[:0] = reports

    def clear(self, reports: Sequence[Report]) -> None:
        """These are recorded."""
        with self._lock:
            for report in reports:
                self._forget(report.execution)

    def drop(self, execution: Execution) -> None:
        """It was not run."""
        with self._lock:
            self._forget(execution)

    def _forget(self, execution: Execution) -> None:
        present = self._running.get(execution.id)
        # It may have come back under a new token while its first run was still ending.
        if present is not None and present[0].token == execution.token:
            del self._running[execution.id]
        if not self._running:
            self._empty.set()

    def running(self) -> list[Execution]:
        """What was claimed and is not recorded as over."""
        with self._lock:
            return [execution for execution, _ in self._running.values()]

    def count(self) -> int:
        """How many that are."""
        return len(self._running)

    def has_all(self, identifiers: Collection[str]) -> bool:
        """True when every one of these, and there are any, lies here."""
        with self._lock:
            return bool(identifiers) and all(identifier in self._running for identifier in identifiers)

    def at_work(self) -> int:
        """How many of them have not ended."""
        return max(0, len(self._running) - len(self._reports))

    def stop(self, execution_id: str, reason: str) -> None:
        """Ask one run to end; nothing when it is not here."""
        with self._lock:
            entry = self._running.get(execution_id)
        if entry is not None:
            entry[1].set(reason)

    def stop_all(self, reason: str) -> None:
        """Ask every run to end."""
        for execution in self.running():
            self.stop(execution.id, reason)

    def wait_empty(self, seconds: float) -> bool:
        """Wait until nothing is left, at most ``seconds``; True when nothing is."""
        return self._empty.wait(seconds)
