"""What one task of a workflow costs."""

from __future__ import annotations

from benchmarks.actions import REPEATS, run_to_end
from benchmarks.backends import Backend
from benchmarks.platform import RunningPlatform
from benchmarks.report import Report

#: Tasks of the chain, one after the other.
LENGTH = 100


def chain(report: Report, platform: RunningPlatform, backend: Backend) -> None:
    """A chain of noop tasks, each requested when the one before has ended."""
    run_to_end(platform, "bench.chain", {})
    commit = backend.commit(1)
    each = [
        run_to_end(platform, "bench.chain", {}, pause=0.05).seconds * 1000 / LENGTH for _ in range(REPEATS)
    ]
    limit = f"3 commits {commit * 3000:.2f} ms"
    report.add(f"a chain of {LENGTH} noop tasks: per task", each, "ms", limit=limit)
