"""Time to ready, and memory when idle."""

from __future__ import annotations

import time
from collections.abc import Mapping

from benchmarks.actions import REPEATS
from benchmarks.platform import RunningPlatform
from benchmarks.report import Report


def embedded(report: Report) -> None:
    """The whole platform in one process."""
    ready, memory, tree = [], [], []
    for _ in range(REPEATS):
        with RunningPlatform() as platform:
            ready.append(platform.ready_seconds)
            time.sleep(2)
            memory.append(platform.memory_mb())
            tree.append(platform.tree_memory_mb())
    report.add("exec to ready, first start (migrations, all packs)", ready, "s", target="≤ 3 s")
    report.add("resident memory of the idle platform", memory, "MB", target="≤ 250 MB")
    report.add("with its sensors and sandboxes (shared pages once)", tree, "MB")


def in_stages(report: Report, engines: Mapping[str, str]) -> None:
    """A process for each of the six stages."""
    with RunningPlatform(engines=engines) as platform:
        time.sleep(2)
        report.add("six processes: exec to ready, first start", platform.ready_seconds, "s")
        report.add("six processes: memory with sensors (shared pages once)", platform.tree_memory_mb(), "MB")
