"""``make bench``: every figure, with the physical limit of the same machine beside it.

``python -m benchmarks [NAME …]`` runs only those named: limits, start, actions, latency, workflow, events.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import figures
from benchmarks.report import heading

ALL: dict[str, Callable[[], None]] = {
    "limits": figures.limits,
    "start": figures.start,
    "actions": figures.actions,
    "latency": figures.latency,
    "workflow": figures.workflow,
    "events": figures.events,
}


def main(names: list[str]) -> int:
    """Run the named benchmarks, all when none is named."""
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"There is no benchmark '{unknown[0]}'; there are {', '.join(ALL)}.", file=sys.stderr)
        return 2
    for name in names or ALL:
        heading(name)
        ALL[name]()
    return 0


sys.exit(main(sys.argv[1:]))
