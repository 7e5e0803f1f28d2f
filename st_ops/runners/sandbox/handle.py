"""The worker's side of one sandbox: its process, the socket to it, and the start and stop of jobs in it."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import logging
import os
import signal
import socket
import subprocess
import threading
from dataclasses import dataclass

from st_ops.logs import facts
from st_ops.sdk import boot

log = logging.getLogger(__name__)

#: Makes our packages known to an interpreter that has nothing of ours installed, and runs a module's main.
_BOOT = [boot.__file__, "st_ops.runners.sandbox.parent"]


class SandboxGone(Exception):
    """Raised when a sandbox has ended before it took the job on."""


@dataclass(frozen=True)
class Started:
    """The worker's ends of a job's descriptors. Whoever asked for the job closes them."""

    number: int
    stdout: int
    stderr: int
    channel: socket.socket
    status: int

    def close(self) -> None:
        """Close all four."""
        for fd in (self.stdout, self.stderr, self.status):
            os.close(fd)
        self.channel.close()


class Sandbox:
    """One warm parent process. ``start`` and ``stop`` may be called from any thread."""

    def __init__(
        self, python: str, kind: str, environment: dict[str, str], work_root: str, idle_seconds: float
    ) -> None:
        """Start the parent in the interpreter ``python``, for jobs of one kind: ``python`` or ``programs``.

        Raises OSError when the interpreter cannot be run.
        """
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._numbers = itertools.count(1)
        self._closing = threading.Lock()
        self._closed = False
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [
                        python,
                        "-I",
                        "-X",
                        "utf8",
                        *_BOOT,
                        str(theirs.fileno()),
                        work_root,
                        str(idle_seconds),
                        kind,
                    ],
                    env=environment,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            except OSError:
                self._control.close()
                raise
        self.pid = self._process.pid

    def start(
        self, *, keep_workdir: bool = False, processes: int = 0, file: str = "", pack_path: str = ""
    ) -> Started:
        """Have a job forked; its description is then sent over the channel. ``file`` is what to warm up for.

        ``processes`` are the most it may have at once, 0 = any number.

        Raises SandboxGone, and OSError when this process has no descriptors left.
        """
        message = {
            "start": next(self._numbers),
            "keep": keep_workdir,
            "processes": processes,
            "file": file,
            "pack_path": pack_path,
        }
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            stdout, stdout_child = _pipe(ours, theirs)
            stderr, stderr_child = _pipe(ours, theirs)
            status, status_child = _pipe(ours, theirs)
            channel, channel_child = socket.socketpair()
            ours.callback(channel.close)
            theirs.callback(channel_child.close)
            fds = [stdout_child, stderr_child, channel_child.fileno(), status_child]
            try:
                socket.send_fds(self._control, [json.dumps(message).encode()], fds)
            except OSError as error:
                raise SandboxGone(str(error)) from error
            ours.pop_all()
        return Started(int(str(message["start"])), stdout, stderr, channel, status)

    def stop(self, number: int, grace_seconds: float) -> None:
        """End job ``number``: SIGTERM to all its processes, SIGKILL after ``grace_seconds``."""
        with contextlib.suppress(OSError):  # a sandbox that is gone has taken its jobs with it
            self._control.send(json.dumps({"stop": number, "grace": grace_seconds}).encode())

    @property
    def alive(self) -> bool:
        """True while the parent process runs."""
        return not self._closed and self._process.poll() is None

    def death(self) -> str:
        """How the parent process ended, in words; waits a moment for an end that is under way."""
        try:
            code = self._process.wait(2)
        except subprocess.TimeoutExpired:
            return "it closed the connection"
        return (
            f"it was killed by {signal.Signals(-code).name}"
            if code < 0
            else f"it ended with exit code {code}"
        )

    def kill(self) -> None:
        """Kill the parent process at once: it does not answer."""
        log.warning("A sandbox does not answer and is killed.", extra=facts(pid=self.pid))
        self._process.kill()

    def close(self, wait_seconds: float = 7.0) -> None:
        """End the sandbox and every job in it, and wait for that. Idempotent."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(wait_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._control.close()


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
    """A pipe whose reading end, which does not block, is ours."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    ours.callback(os.close, reading)
    theirs.callback(os.close, writing)
    fcntl.fcntl(reading, fcntl.F_SETFL, os.O_NONBLOCK)
    return reading, writing
