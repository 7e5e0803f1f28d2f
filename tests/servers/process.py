"""One server program as a child process: started, awaited, stopped, and never left behind."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

#: Keeps a list of process groups and kills them when its input ends, which it does however pytest ends.
_GUARD = (
    'while read -r group; do groups="$groups $group"; done; for g in $groups; do kill -s KILL -- "-$g"; done'
)


class Guard:
    """Kills what a test session started when the session dies, even by SIGKILL."""

    def __init__(self) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, group: int) -> None:
        """Kill process group ``group`` when this process ends."""
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{group}\n".encode())
        self._shell.stdin.flush()

    def close(self) -> None:
        """Kill what is still alive, and end."""
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait(10)


class Yard:
    """Where servers of one test session live: a folder each, a guard over all, and a list of their logs."""

    def __init__(self) -> None:
        # Not pytest's folder: that is closed to other users, and PostgreSQL refuses to run as root.
        self.folder = Path(tempfile.mkdtemp(prefix="st-ops-servers-"))
        self.folder.chmod(0o755)
        self.guard = Guard()
        self._stops: list[Callable[[], None]] = []

    def room(self, name: str) -> Path:
        """A fresh folder for one server."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    def at_end(self, stop: Callable[[], None]) -> None:
        """Call ``stop`` when the session ends; the last one given is called first."""
        self._stops.append(stop)

    def log_tail(self, name: str, lines: int = 40) -> str:
        """The last ``lines`` lines of each log of the servers called ``name``; "" when there are none."""
        parts = []
        for log in sorted(self.folder.glob(f"{name}-*/*.log")):
            text = log.read_text(errors="replace").splitlines()[-lines:]
            parts.append("\n".join([f"-- {log}", *text]))
        return "\n".join(parts)

    def close(self, *, keep_logs: bool) -> None:
        """Stop every server and remove its folder; with ``keep_logs`` the logs stay."""
        for stop in reversed(self._stops):
            stop()
        self.guard.close()
        if not keep_logs:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if path.suffix != ".log":
                with contextlib.suppress(OSError):
                    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


class Server:
    """A running server program; ``log`` holds what it printed."""

    def __init__(
        self,
        yard: Yard,
        command: Sequence[str],
        *,
        room: Path,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        start_within: float = 30,
    ) -> None:
        self.log = room / "server.log"
        self._yard = yard
        self._command = list(command)
        self._room = room
        self._ready = ready
        self._environment = {**clean_environment(room), **(environment or {})}
        self._user = user
        self._stop_signal = stop_signal
        self._start_within = start_within
        self._child: subprocess.Popen[bytes] | None = None
        yard.at_end(self.stop)

    @property
    def running(self) -> bool:
        """Whether it was started and neither stopped nor ended since."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._child is not None, f"{self._command[0]} is not running"
        return self._child.pid

    def start(self) -> None:
        """Start it and return when it is ready; raises RuntimeError with its log when it does not become so.

        Nothing happens when it runs already.
        """
        if self._child is not None and self._child.poll() is None:
            return
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command,
                cwd=self._room,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self._user,
                extra_groups=[] if self._user else None,
            )
        self._yard.guard.watch(self._child.pid)
        self._await_ready()

    def stop(self, *, kill: bool = False) -> None:
        """End it and wait until its whole process group is gone; SIGKILL at once with ``kill``. Idempotent."""
        child, self._child = self._child, None
        if child is None:
            return
        child.send_signal(signal.SIGKILL if kill else self._stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait(10)

    def _await_ready(self) -> None:
        assert self._child is not None
        pause = threading.Event()
        end = time.monotonic() + self._start_within
        while not self._ready():
            code = self._child.poll()
            if code is not None or time.monotonic() > end:
                happened = f"ended with code {code}" if code is not None else "did not become ready"
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])
                self.stop(kill=True)
                raise RuntimeError(f"{self._command[0]} {happened} within {self._start_within} s:\n{tail}")
            pause.wait(0.05)


def clean_environment(room: Path) -> dict[str, str]:
    """What a server sees of our environment: a PATH, a home of its own, and nothing of the developer's."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(room),
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",
    }


def free_port() -> int:
    """A port on loopback that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """True when something accepts connections on loopback ``port``."""
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex(("127.0.0.1", port)) == 0


def unprivileged_user() -> str | None:
    """A user to run as when we are root and the server refuses to run so; None when we are not root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)
