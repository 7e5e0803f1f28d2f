"""What the work of the pack ``storm`` left in its file: which execution ran when, and in which process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Run:
    """One process that did an execution's work. Times are seconds; ``last`` is its last sign of life."""

    execution: str
    lane: str
    pid: int
    begun: float
    last: float
    ended: bool = False


def read(path: Path) -> list[Run]:
    """Every run, in the order they began. A line is one write at the end of the file, so none is torn."""
    runs: list[Run] = []
    present: dict[tuple[str, int], Run] = {}
    for line in path.read_text().splitlines():
        what, execution, lane, pid, at = line.split()
        key = (execution, int(pid))
        if what == "begin":
            present[key] = Run(execution, lane, int(pid), float(at), float(at))
            runs.append(present[key])
        else:
            present[key].last = float(at)
            present[key].ended |= what == "end"
    return runs


def counts(runs: Iterable[Run]) -> Counter[str]:
    """Execution → how often it began."""
    return Counter(run.execution for run in runs)


def most_at_once(runs: Iterable[Run]) -> int:
    """How many of these were at work at the same time, at most.

    A killed process notes no end; it counts as long as it gave signs of life.
    """
    steps = [step for run in runs for step in ((run.begun, 1), (run.last, -1))]
    present = most = 0
    # Of the same moment ends come first.
    for _at, step in sorted(steps):
        present += step
        most = max(most, present)
    return most
