"""Memory and CPU time of processes, from /proc."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def resident_mb(pids: Sequence[int]) -> float:
    """Resident memory of these processes together, in MB; those that ended count nothing."""
    return sum(_field_kb(f"/proc/{pid}/status", "VmRSS") for pid in pids) / 1024


def proportional_mb(pids: Sequence[int]) -> float:
    """Memory of these and everything below them in MB, pages that several share counted once."""
    return sum(_field_kb(f"/proc/{pid}/smaps_rollup", "Pss") for pid in trees(pids)) / 1024


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time that these and everything below them used so far, children that ended included, in seconds."""
    return sum(_cpu_ticks(pid) for pid in trees(pids)) / _TICKS


def trees(pids: Sequence[int]) -> list[int]:
    """These processes and all their descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        fields = _stat(entry)
        if fields:
            parents.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found, level = list(pids), list(pids)
    while level:
        level = [child for pid in level for child in parents.get(pid, [])]
        found += level
    return found


def _cpu_ticks(pid: int) -> int:
    fields = _stat(Path(f"/proc/{pid}/stat"))
    return sum(int(value) for value in fields[11:15])


def _stat(path: Path) -> list[str]:
    """The fields of a stat file from the state on; none when the process has ended."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _field_kb(path: str, key: str) -> float:
    try:
        text = Path(path).read_text()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{key}:")), 0.0)
