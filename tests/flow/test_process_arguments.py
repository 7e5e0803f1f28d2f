"""No secret stands in the arguments of a process, where every user of the machine may read it (guarantee 10)."""

from __future__ import annotations

import contextlib
from pathlib import Path

from tests.flow.fixtures import MakePlatform
from tests.waiting import eventually

PACKS = Path(__file__).parent / "packs"
_SECRET = "c0rrect-horse-battery-staple"


def test_a_running_actions_secret_is_in_no_process_arguments(
    make_platform: MakePlatform, tmp_path: Path
) -> None:
    platform = make_platform(packs=[PACKS])
    platform.start()
    began, gate = tmp_path / "began", tmp_path / "gate"
    execution = platform.run("mishaps.confide", password=_SECRET, began=str(began), until=str(gate))
    eventually(began.exists, 20, "the action to run")
    assert [line for line in arguments() if _SECRET in line] == []
    gate.touch()
    assert platform.await_status(execution)["result"]["result"] == len(_SECRET)


def arguments() -> list[str]:
    """The command lines of all processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            found.append((folder / "cmdline").read_bytes().decode("utf-8", "replace"))
    return found
