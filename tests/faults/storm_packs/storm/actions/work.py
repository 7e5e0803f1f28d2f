"""Work in Python: it notes in a file that it began, that it goes on, and that it ended."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from st2common.runners.base_action import Action


class Work(Action):  # type: ignore[misc]  # a pack sees only the modules of its sandbox
    def run(self, trace: str, lane: str, beats: int, fail_until: int = 0) -> Any:
        execution = os.environ["ST2_ACTION_EXECUTION_ID"]
        with Path(trace).open("ab", buffering=0) as file:

            def note(what: str) -> None:
                file.write(f"{what} {execution} {lane} {os.getpid()} {time.time():.6f}\n".encode())

            note("begin")
            if self._tries(trace, execution) <= fail_until:
                note("end")
                return False, "not yet"
            for _beat in range(beats):
                time.sleep(0.02)
                note("beat")
            note("end")
        return True, {"lane": lane}

    @staticmethod
    def _tries(trace: str, execution: str) -> int:
        """How often this execution has begun, this time included."""
        with Path(trace).open(encoding="ascii") as file:
            return sum(1 for line in file if line.startswith(f"begin {execution} "))
