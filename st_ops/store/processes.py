"""Who holds something: the identity of a process, so that its death is noticed at once by others on its host.

Without it a killed process would be missed only when its lease lapses.
"""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path

_UNKNOWN = "unknown"
_ENDED = "ended"


def here() -> str:
    """The identity of this process: its host's name and boot, its pid namespace, its pid and when it started."""
    return f"{_place()} {os.getpid()} {_start_time(os.getpid())}"


def gone(identity: str) -> bool:
    """True when the process surely lives no more; False when it may live, on another host or in another container."""
    place, pid, started = ("", "", "", *identity.rsplit(" ", 2))[-3:]
    if not place or place != _place():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        # Another user's, which lives; what stands in /proc of it may be hidden.
        pass
    return _start_time(int(pid)) not in (started, _UNKNOWN)


@functools.cache
def _place() -> str:
    """Within it a pid means one process: two containers of one host may well have the same host name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        # No Linux: nothing is said of anybody, and leases lapse by themselves.
        return ""
    return f"{socket.gethostname()} {boot} {namespace}"


def _start_time(pid: int) -> str:
    """Clock ticks from boot to the start of the process (field 22 of its stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _UNKNOWN
    # A zombie has ended; its parent has only not asked for its exit code yet.
    return _ENDED if fields[0] in "ZX" else fields[19]
