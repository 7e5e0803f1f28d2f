"""A sensor container in a process of its own: ``python -m tests.unit.sensors.container_process HOME``.

Prints ``pid`` of each sensor that runs, a line each, and ends when its stdin does.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from st_ops.model.sensors import Phase
from tests.unit.sensors.stage import Stage


def main(home: Path, lease_seconds: float) -> None:
    stage = Stage(home, lease_seconds=lease_seconds)
    container = stage.container()
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    told: set[int] = set()
    while not ended.wait(0.02):
        running = {state.pid for state in container.states() if state.phase is Phase.RUNNING}
        for pid in running - told - {None}:
            assert pid is not None
            told.add(pid)
            print(pid, flush=True)  # noqa: T201 - how the test hears of it
    stage.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
