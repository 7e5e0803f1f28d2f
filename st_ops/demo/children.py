"""Child processes that end with the demo, however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

#: Reads process groups to watch. When its input ends, as it does even when the demo is killed, it ends them all.
_GUARD = """
while read -r group; do groups="$groups $group"; done
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; done
for _ in 1 2 3 4 5 6; do
    alive=""
    for group in $groups; do kill -s 0 -- "-$group" 2>/dev/null && alive="yes"; done
    [ -z "$alive" ] && exit 0
    sleep 1
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"""

#: Seconds a child may take to end when asked to, before it is killed.
GRACE = 8.0


class StartFailed(Exception):
    """Raised when a child does not become ready; the message holds the end of what it printed."""


class Children:
    """The demo's child processes. What each prints goes to ``<name>.log`` in the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start ``command`` in a process group of its own."""
        with (self._folder / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                list(command),
                cwd=self._folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert self._guard.stdin is not None
        self._guard.stdin.write(f"{child.pid}\n".encode())
        self._guard.stdin.flush()
        self._running.append(child)
        return child

    def await_ready(
        self, name: str, child: subprocess.Popen[bytes], ready: Callable[[], bool], within: float
    ) -> None:
        """Return once ``ready`` says so. Raises StartFailed when the child ended or ``within`` seconds passed."""
        end = time.monotonic() + within
        pause = threading.Event()
        while not ready():
            if child.poll() is not None or time.monotonic() > end:
                raise StartFailed(f"{name} did not start. It printed:\n{self.tail(name)}")
            pause.wait(0.02)

    def tail(self, name: str, lines: int = 25) -> str:
        """The end of what the child ``name`` printed."""
        text = (self._folder / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def close(self) -> None:
        """End every child, the last one first. Idempotent."""
        for child in reversed(self._running):
            _end(child)
        self._running.clear()
        if self._guard.stdin is not None and not self._guard.stdin.closed:
            self._guard.stdin.close()
        self._guard.wait()


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def clean_environment(home: Path) -> dict[str, str]:
    """What a child sees of our environment: none of the user's AWS keys, proxies or settings."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LANG": "C.UTF-8"}


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
