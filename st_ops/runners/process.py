"""Running one job in a sandbox and seeing it to its end: output, questions, timeout, stop, and how it ended.

The calling thread waits in one ``poll`` over the job's four descriptors: stdout, stderr, the channel (result and
questions of a Python action) and the status pipe, whose closing by the sandbox's parent means that nothing of the job
is left. A Python action's process says so itself, about to end (``sandbox/python_child.py``), and is then waited for
no longer. Killing is the parent's business (``sandbox/parent.py``), since only a parent can know that a process number
still means the same process.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from st_ops.runners.base import Console, Stop
from st_ops.runners.frames import Frames, frame
from st_ops.runners.output import Budget, Output
from st_ops.runners.sandbox.pool import Lent, SandboxPool

log = logging.getLogger(__name__)

_CHUNK = 1 << 16
_HIGHEST_EXIT_CODE = 255

#: Seconds between two looks at whether a stopped job really ended, and for which a sandbox may exceed the grace period.
_WATCH_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a job ended."""

    #: As subprocess has it: negative is the number of the signal that killed it.
    exit_code: int
    stdout: str
    stderr: str
    #: The last word of a Python action, or why a job could not be set up.
    message: Mapping[str, Any] | None = None
    #: Why it was ended: "timeout", "canceled" … or "" when it ended by itself.
    stopped: str = ""
    #: What happened to the sandbox, when it was lost with the job in it.
    lost: str = ""
    #: The limit for which the sandbox killed it ("processes"), or "".
    exceeded: str = ""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """What is to be run where. ``describe`` makes the description of the job from the base environment."""

    python: str = ""
    pack: str = ""
    file: str = ""
    pack_path: str = ""
    keep_workdir: bool = False
    #: Most processes at once; 0 = any number.
    processes: int = 0
    describe: Callable[[Mapping[str, str]], Mapping[str, Any]]
    timeout: float | None
    grace_seconds: float
    output_bytes: int
    result_bytes: int = 1 << 20
    #: Answers a question of the job: (method, arguments) → any JSON. Raises UserError.
    answer: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None


def run(pool: SandboxPool, work: Assignment, console: Console, stop: Stop) -> Ended:
    """Run ``work`` to its end. A sandbox, or a process, that ends before it takes the job on is replaced, unnoticed."""
    for _try in range(3):
        lent = pool.start(
            work.python,
            work.pack,
            file=work.file,
            pack_path=work.pack_path,
            keep_workdir=work.keep_workdir,
            processes=work.processes,
        )
        watch = _Watch(lent, work, console, stop)
        try:
            ended = watch.until_over()
        except BaseException:
            lent.sandbox.stop(lent.job.number, 0)
            pool.give_back(lent)
            raise
        if ended is not None and not ended.lost:
            pool.give_back(lent)
            return ended
        if ended is None and lent.sandbox.alive:
            pool.give_back(lent)  # the process forked ahead for it had been killed
            continue
        lent.job.close()
        pool.lost(lent.kept)
        if ended is not None:
            return ended
    return Ended(
        exit_code=-1, stdout="", stderr="", lost="ended before it took the job on, three times in a row"
    )


class _Watch:
    """One job under way."""

    def __init__(self, lent: Lent, work: Assignment, console: Console, stop: Stop) -> None:
        self._lent = lent
        self._job = lent.job
        self._work = work
        self._stop = stop
        self._console = console
        budget = Budget(work.output_bytes)
        self._outputs = {
            lent.job.stdout: Output(console, "stdout", budget),
            lent.job.stderr: Output(console, "stderr", budget),
        }
        self._frames = Frames(work.result_bytes + _CHUNK)
        self._message: Mapping[str, Any] | None = None
        #: The exit code with which the process, by its own account, is ending.
        self._left: int | None = None
        self._unsent = memoryview(frame(work.describe(lent.environment)))
        self._poll = select.poll()
        self._deadline = None if work.timeout is None else time.monotonic() + work.timeout
        self._stopped = ""
        self._stopped_at = 0.0

    def until_over(self) -> Ended | None:
        """Wait for the job's end; None when its sandbox ended before it took it on."""
        self._send()
        for fd in self._outputs:
            self._poll.register(fd, select.POLLIN)
        self._poll.register(
            self._job.channel.fileno(), select.POLLIN | (select.POLLOUT if self._unsent else 0)
        )
        self._poll.register(self._job.status, 0)  # its closing is reported whatever is asked for
        self._stop.on_set(self._ask_to_end)
        while not self._turn():
            pass
        for fd in self._outputs:
            self._read(fd)
        self._listen()
        return self._ended()

    def _turn(self) -> bool:
        """One wait and what it brought; True when the job is over."""
        over = False
        for fd, events in self._poll.poll(self._wait_ms()):
            if fd == self._job.status:
                over = True
            elif fd in self._outputs:
                if not self._read(fd):
                    self._poll.unregister(fd)
            else:
                self._talk(events)
        self._keep_time()
        return over or self._left is not None

    # --- descriptors ---

    def _read(self, fd: int) -> bool:
        """Take what a stream holds; False at its end."""
        output = self._outputs[fd]
        while True:
            try:
                data = os.read(fd, _CHUNK)
            except BlockingIOError:
                return True
            if not data:
                return False
            output.feed(data)
            if len(data) < _CHUNK:
                return True

    def _talk(self, events: int) -> None:
        if events & select.POLLOUT:
            self._send()
            if not self._unsent:
                self._poll.modify(self._job.channel.fileno(), select.POLLIN)
        if events & ~select.POLLOUT and not self._listen():
            self._poll.unregister(self._job.channel.fileno())

    def _send(self) -> None:
        """Send as much as the channel takes."""
        while self._unsent:
            try:
                sent = self._job.channel.send(self._unsent, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except BlockingIOError:
                return
            except OSError:  # the job is gone, and will say so
                self._unsent = memoryview(b"")
                return
            self._unsent = self._unsent[sent:]

    def _listen(self) -> bool:
        """Take what the job says on its channel; False at the end."""
        while True:
            try:
                data = self._job.channel.recv(_CHUNK, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            for message in self._frames.feed(data):
                self._heed(message)

    def _heed(self, message: Mapping[str, Any]) -> None:
        if message.get("type") == "left":
            code = message.get("code")
            self._left = code if isinstance(code, int) and 0 <= code <= _HIGHEST_EXIT_CODE else None
            return
        if "method" not in message:
            self._message = message
            return
        assert self._work.answer is not None  # only Python actions can ask
        self._unsent = memoryview(bytes(self._unsent) + frame(self._work.answer(message)))
        self._send()
        if self._unsent:
            self._poll.modify(self._job.channel.fileno(), select.POLLIN | select.POLLOUT)

    # --- ending ---

    def _ask_to_end(self) -> None:
        """In the thread that stops us: the sandbox does the killing, so that this thread need not be woken for it."""
        self._lent.sandbox.stop(self._job.number, self._work.grace_seconds)

    def _wait_ms(self) -> float:
        if self._deadline is None or self._stopped:
            return _WATCH_SECONDS * 1000
        return max(0.0, min(self._deadline - time.monotonic(), _WATCH_SECONDS)) * 1000 + 1

    def _keep_time(self) -> None:
        at = time.monotonic()
        if not self._stopped and self._stop.is_set():
            self._stopped, self._stopped_at = self._stop.reason or "canceled", at
        elif not self._stopped and self._deadline is not None and at >= self._deadline:
            self._stopped, self._stopped_at = "timeout", at
            self._ask_to_end()
        elif self._stopped and at > self._stopped_at + self._work.grace_seconds + _WATCH_SECONDS:
            self._lent.sandbox.kill()

    def _ended(self) -> Ended | None:
        for output in self._outputs.values():
            output.close()
        stdout, stderr = (output.text for output in self._outputs.values())
        report = self._report()
        if report is None:
            return None
        if self._stop.is_set() and not self._stopped:
            self._stopped = self._stop.reason or "canceled"
        if "left" in report:
            log.warning("Processes of a run would not die: %s", report["left"])
        if "workdir" in report:
            place = f"{report['workdir']} on {socket.gethostname()}"
            self._console.write("output", f"[the working directory of this run is kept: {place}]\n")
        if "error" in report:
            self._message = {"type": "setup_failed", "error": f"The run could not start: {report['error']}."}
        return Ended(
            exit_code=os.waitstatus_to_exitcode(report["status"])
            if "status" in report
            else -int(signal.SIGKILL),
            stdout=stdout,
            stderr=stderr,
            message=self._message,
            stopped=self._stopped,
            lost="" if report else self._lent.sandbox.death(),
            exceeded=report.get("exceeded", ""),
        )

    def _report(self) -> dict[str, Any] | None:
        """What the sandbox says of the end, {} when it was lost; None when the job had not begun."""
        if self._left is not None:
            return {"status": self._left << 8}
        said = _read_all(self._job.status)
        if not said.startswith(b"s"):
            return None
        report: dict[str, Any] = json.loads(said[1:] or b"{}")
        return report


def _read_all(fd: int) -> bytes:
    parts = []
    while data := os.read(fd, _CHUNK):
        parts.append(data)
    return b"".join(parts)


def describe_end(ended: Ended, limits: Mapping[str, float]) -> str:
    """Why a job failed, in a sentence; "" when it did not, or ended by what it printed itself."""
    if ended.message and ended.message.get("type") == "setup_failed":
        return str(ended.message["error"])
    if ended.exceeded:
        return f"It had more than its {limits.get('processes', 0):g} processes at once (limits.processes)."
    if ended.exit_code >= 0:
        return f"It ended with exit code {ended.exit_code}." if ended.exit_code else ""
    name = signal.Signals(-ended.exit_code).name
    cause = {
        "SIGXCPU": f": it used more than its {limits.get('cpu_seconds', 0):g} s of CPU time (limits.cpu_seconds)",
        "SIGXFSZ": f": it wrote a file larger than its {limits.get('file_mb', 0):g} MB (limits.file_mb)",
        "SIGKILL": " from outside; the kernel does so when memory runs out",
    }.get(name, "")
    return f"It was killed by {name}{cause}."


def exceeded(error: str, limits: Mapping[str, float]) -> str:
    """Which limit an exception tells of, in a sentence; "" for none. ``error`` is ``<its type>: <its message>``."""
    signs = {
        "MemoryError": ("memory_mb", "It asked for more than its {:g} MB of memory"),
        f"[Errno {errno.ENOMEM}]": ("memory_mb", "It asked for more than its {:g} MB of memory"),
        f"[Errno {errno.EFBIG}]": ("file_mb", "It wrote a file larger than its {:g} MB"),
        f"[Errno {errno.EMFILE}]": ("open_files", "It opened more than its {:g} files at once"),
    }
    for sign, (name, text) in signs.items():
        if limits.get(name) and (error.startswith(sign) or error.partition(": ")[2].startswith(sign)):
            return f"{text.format(limits[name])} (limits.{name})."
    return ""
