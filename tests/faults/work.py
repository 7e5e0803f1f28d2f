"""The pack ``faults``, the traces its work leaves outside the platform, and what must hold of any store afterwards."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from st_ops.model.status import Status, may_move
from st_ops.store import audit
from tests.flow.platform import Platform
from tests.waiting import eventually

PACKS = Path(__file__).parent / "packs"


class Ledger:
    """The file that work appends to: how often each piece began and ended, and in which process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def _lines(self) -> list[list[str]]:
        return [line.split() for line in self.path.read_text().splitlines()]

    def began(self) -> Counter[str]:
        """Name → how often that work began."""
        return Counter(name for what, name, _ in self._lines() if what == "begin")

    def ended(self) -> Counter[str]:
        """Name → how often that work ended."""
        return Counter(name for what, name, _ in self._lines() if what == "end")

    def processes(self, name: str) -> list[int]:
        """The processes that began this work, in order."""
        return [int(pid) for what, found, pid in self._lines() if (what, found) == ("begin", name)]

    def await_begin(self, name: str, times: int = 1) -> int:
        """Wait until this work has begun so often; the process of the last time."""
        eventually(lambda: self.began()[name] >= times, 20, f"{name} to begin {times} times")
        return self.processes(name)[-1]


def alive(pid: int) -> bool:
    """Whether a process runs: one that ended but was not asked for its exit code does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def assert_every_move_was_legal(platform: Platform) -> None:
    """Guarantee 5: the audit log shows each execution going from status to status only as it may."""
    with platform.store() as tx:
        entries = audit.find(tx, kind="execution", limit=1_000_000, newest_first=False)
    present: dict[str, Status] = {}
    for entry in entries:
        if entry.verb == "refused":
            continue
        status = Status(entry.verb)
        before = present.get(entry.subject_id)
        if before is None:
            assert status in (Status.REQUESTED, Status.DELAYED), entry
        else:
            assert may_move(before, status), f"{before} → {entry}"
        present[entry.subject_id] = status
