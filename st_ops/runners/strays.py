"""Finding and ending processes that a dead sandbox or a dead worker left behind.

While a sandbox lives, nothing escapes it (``sandbox/parent.py``). When it is killed itself, its children die with it,
but what they had started in turn goes to init. Such processes are known by the mark that every process of a run
inherits in its environment; it names worker and sandbox: ``<worker pid>.<its start time>.<number>``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path

from st_ops.runners.environment import MARK

#: Beginning of the names of our temporary folders: purpose, host, mark and something random follow.
_FOLDERS = "st-ops-"


def host_name() -> str:
    """This host, and within it the pid namespace: there a worker's number means one process."""
    namespace = ""
    with contextlib.suppress(OSError):
        namespace = "".join(filter(str.isdigit, str(Path("/proc/self/ns/pid").readlink())))
    return f"{socket.gethostname()}-{namespace}"


def worker_mark() -> str:
    """The mark of this process: its pid and, since pids come round again, the moment it started (clock ticks)."""
    return f"{os.getpid()}.{_start_time(os.getpid())}"


def end_marked(mark: str) -> int:
    """SIGKILL every process of ours whose mark is ``mark``; how many there were."""
    count = 0
    for pid, found in _marked():
        if found == mark:
            count += _kill(pid)
    return count


def end_strays() -> int:
    """SIGKILL every process whose worker is gone; how many there were. For a worker to call at its start."""
    count = 0
    for pid, found in _marked():
        # In another pid namespace (a container) the worker's number means another process.
        if _same_namespace(pid) and worker_is_gone(found):
            count += _kill(pid)
    return count


def own_folder(purpose: str) -> str:
    """A new temporary folder of this worker's, which only its user may enter."""
    return tempfile.mkdtemp(prefix=f"{_FOLDERS}{purpose}-{host_name()}-{worker_mark()}-")


def remove_stray_folders() -> int:
    """Delete the temporary folders of workers that are gone; how many there were. For a worker to call at its start."""
    count = 0
    # Containers may share the folder for temporary ones, and there a worker's number means another process.
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDERS}*-{host_name()}-*"):
        mark = folder.name.rpartition("-")[0].rpartition("-")[2]
        if worker_is_gone(mark):
            shutil.rmtree(folder, ignore_errors=True)
            count += 1
    return count


def worker_is_gone(mark: str) -> bool:
    """Whether the worker that ``mark`` names, one of this pid namespace, has ended; False for what is no mark."""
    worker, _, rest = mark.partition(".")
    start = rest.partition(".")[0]
    return worker.isdigit() and start.isdigit() and _start_time(int(worker)) != start


def _marked() -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    needle = MARK.encode() + b"="
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
            entries = (folder / "environ").read_bytes().split(b"\0")
            marks = [
                entry[len(needle) :].decode("utf-8", "replace")
                for entry in entries
                if entry.startswith(needle)
            ]
            found.extend((int(folder.name), mark) for mark in marks)
    return found


def _start_time(pid: int) -> str:
    """Field 22 of /proc/<pid>/stat; "" when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _same_namespace(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink() == Path("/proc/self/ns/pid").readlink()
    except OSError:
        return False


def _kill(pid: int) -> int:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return 0
    return 1
