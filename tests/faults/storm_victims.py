"""What the storm strikes: processes of the platform, their children, and the servers beside it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults.work import alive
from tests.flow.platform import Platform

#: How the command lines of the platform's children tell what they are.
SANDBOX, SENSOR = "st_ops.runners.sandbox.parent", "st_ops.sdk.run_sensor"


def processes() -> Iterator[tuple[int, int, str]]:
    """(pid, parent, command line) of every process."""
    for folder in Path("/proc").iterdir():
        # One that ended meanwhile has nothing to read any more.
        with contextlib.suppress(OSError, ValueError):
            pid = int(folder.name)
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            yield pid, parent, (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()


def children(platform: Platform, kind: str) -> list[int]:
    """The children of one kind of all processes of the platform."""
    parents = {process.pid for process in platform.processes.values() if process.started}
    return sorted(pid for pid, parent, command in processes() if parent in parents and kind in command)


def left_behind(home: Path) -> list[str]:
    """Processes that carry the home folder of a platform in their environment: its own, or of its actions."""
    found = []
    for pid, _parent, command in processes():
        with contextlib.suppress(OSError):
            if str(home).encode() in Path(f"/proc/{pid}/environ").read_bytes() and alive(pid):
                found.append(f"{pid} {command}")
    return found


class Victims:
    """What can be struck, by name. ``servers``: name → how it is killed and started again."""

    def __init__(self, platform: Platform, servers: dict[str, Callable[[], None]]) -> None:
        self._platform = platform
        self._servers = servers

    def strike(self, name: str, which: int) -> None:
        """SIGKILL it; processes of the platform and servers are back when this returns."""
        if name in self._servers:
            self._servers[name]()
        elif name == "everything":
            self._platform.kill()
            self._platform.start()
        elif name in self._platform.processes:
            self._platform.restart(name)
        elif name == "family":
            self._strike_family(which)
        else:
            found = children(self._platform, {"sandbox": SANDBOX, "sensor": SENSOR}[name])
            if found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(found[which % len(found)], signal.SIGKILL)

    def _strike_family(self, which: int) -> None:
        """A process that runs actions, together with those that would end its actions after it."""
        runners = [name for name in self._platform.processes if name == "up" or "runner" in name]
        name = runners[which % len(runners)]
        process = self._platform.processes[name]
        with_it = [pid for pid, parent, _command in processes() if parent == process.pid]
        process.signal(signal.SIGKILL)
        for pid in with_it:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._platform.restart(name)
