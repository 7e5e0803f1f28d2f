"""What one run may use: the key ``limits`` of an action, over the table ``limits`` of the settings."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from st_ops.errors import InvalidInput

#: name → what it limits, for people. MB are 1,048,576 bytes; 0 lifts a limit that the settings set.
RUN_LIMITS: dict[str, str] = {
    "memory_mb": "memory of each process, in MB; of a container as a whole",
    "cpu_seconds": "CPU time of each process, in seconds",
    "open_files": "descriptors a process has open at once",
    "file_mb": "size of each file it writes, in MB",
    "output_bytes": "output kept, in bytes",
    "processes": "processes at once; of a container, its threads too",
    "cpus": "processors that a container may keep busy; 0.5 is half of one",
}

#: Limits that an engine sets on a container, and nothing else can.
CONTAINER_ONLY = frozenset({"cpus"})

#: Of these a fraction means something.
_FRACTIONS = frozenset({"memory_mb", "file_mb", "cpus"})


def parse_run_limits(given: Mapping[str, Any], runner_type: str) -> dict[str, float]:
    """``given``, checked, for an action of ``runner_type``. Raises InvalidInput naming the key."""
    return {name: _limit(name, value, runner_type) for name, value in given.items() if value is not None}


def _limit(name: str, value: Any, runner_type: str) -> float:
    where = f"limits.{name}"
    if name not in RUN_LIMITS:
        near = difflib.get_close_matches(str(name), RUN_LIMITS, n=1, cutoff=0.6)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InvalidInput(
            f"'limits' has no key '{name}'; it takes {', '.join(RUN_LIMITS)}.{hint}", where=where
        )
    if name in CONTAINER_ONLY and runner_type != "container":
        raise InvalidInput(f"'{name}' limits containers only, not the runner {runner_type}.", where=where)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < float("inf") or (name not in _FRACTIONS and value != int(value)):
        kind = "a number" if name in _FRACTIONS else "a whole number"
        raise InvalidInput(
            f"'{name}' ({RUN_LIMITS[name]}) must be {kind} from 0, not {value!r}.", where=where
        )
    return float(value)
