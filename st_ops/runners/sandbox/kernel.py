"""What the sandbox asks of Linux: death signals, adoption of orphans, and who descends from whom.

Standard library only, Python 3.8 and later.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import contextlib
import ctypes
import os
import select
from typing import Container, Iterable

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

#: Above this many process numbers, listing /proc is cheaper than asking for each number.
_RANGE_LIMIT = 4096

_SIGKILL = 9

# Bound once: looking it up would again touch pages of its own in every child.
_prctl = ctypes.CDLL(None).prctl


def die_with_parent() -> None:
    """Have the kernel send SIGKILL to this process when the thread that made it is gone."""
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def become_helper(keep: int = -1) -> None:
    """In a forked child that does a chore of its parent's: die with it, hold none of its descriptors but ``keep``."""
    die_with_parent()
    default_signals()
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != keep:
            with contextlib.suppress(OSError):  # the listing's own descriptor is closed already
                os.close(int(name))


def default_signals() -> None:
    """In a forked child of a sandbox's parent: undo what the parent set up for signals."""
    # The functions of _signal, since their wrappers in signal make enums of everything, in pages not yet ours.
    _signal.set_wakeup_fd(-1)
    _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


def prefer_in_want_of_memory() -> None:
    """Have the kernel, short of memory, end this process and its children before the platform."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, wherever it moved (setsid, double fork)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def unknown_children(known: Container[int], first: int, everywhere: bool) -> list[int]:
    """The children of this process that are not in ``known``: orphans it has adopted.

    Only numbers above ``first`` given out since are asked for; ``everywhere`` asks all, for when numbers may have
    wrapped round. waitid answers for children only, so another's process is never taken for ours.
    """
    return [pid for pid in _candidates(first, everywhere) if pid not in known and _is_child(pid)]


def total_tasks() -> int:
    """How many processes and threads there are on this machine, the kernel's own included; 0 when it does not say."""
    try:
        return int(_load().split()[3].partition(b"/")[2])
    except (OSError, ValueError, IndexError):
        return 0


def _load() -> bytes:
    # Asked for with every job: a file object would cost several times what the reading does.
    fd = os.open("/proc/loadavg", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 256)
    finally:
        os.close(fd)


def families(roots: Iterable[int]) -> dict[int, int]:
    """Of each of ``roots``: how many processes it and its descendants are."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _group) in parents().items():
        children.setdefault(parent, []).append(pid)
    counts = {}
    for root in roots:
        family = [root]
        for member in family:  # it grows as it is walked
            family += children.get(member, ())
        counts[root] = len(family)
    return counts


def has_children() -> bool:
    """True when this process has any child, running or dead."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def nobody_reads(fd: int) -> bool:
    """True when ``fd`` is the writing end of a pipe whose every reading end is closed."""
    poll = select.poll()
    poll.register(fd, 0)
    return bool(poll.poll(0))


def _candidates(first: int, everywhere: bool) -> Iterable[int]:
    last = 0 if everywhere else last_pid()
    if last < first or last - first > _RANGE_LIMIT:
        return all_pids()
    return range(first + 1, last + 1)


def last_pid() -> int:
    """The process number that was given out last, or 0 when the kernel does not say."""
    try:
        return int(_load().split()[-1])
    except (OSError, ValueError):
        return 0


def _is_child(pid: int) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def all_pids() -> list[int]:
    """The numbers of all processes this one can see."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def parents() -> dict[int, tuple[int, int]]:
    """Of every process: pid → (parent's pid, process group)."""
    found = {}
    for pid in all_pids():
        # Between the listing and the reading a process may end.
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
            found[pid] = (int(fields[1]), int(fields[2]))
    return found


def signal_tree(pid: int, number: int) -> None:
    """Send ``number`` to the process group of ``pid`` and to every descendant of it that left the group."""
    tree = parents()
    send(pid, number, group=True)
    family = {pid}
    grown = True
    while grown:
        more = {child for child, (parent, _group) in tree.items() if parent in family} - family
        family |= more
        grown = bool(more)
    for child in family - {pid}:
        if tree[child][1] != pid:
            send(child, number)


def send(pid: int, number: int, *, group: bool = False) -> None:
    """Send signal ``number`` to ``pid`` (its whole ``group``). One gone or not ours is passed over."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
