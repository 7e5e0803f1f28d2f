"""A sandbox's parent: one single-threaded process that forks a child for each job, and sees every one of them end.

It speaks with its worker over a SOCK_SEQPACKET socket, one JSON object a message:

- ``{"start": n, "keep": bool, "processes": most at once, "file": …, "pack_path": …}`` with four descriptors: the
  child's stdout, stderr and channel, and a pipe on which ``s`` is said when the job begins and, when nothing of the
  job is left, ``{"status" (as waitpid gives it), "left" (pids that would not die), "workdir" (when it is kept),
  "exceeded": "processes" (when it had too many)}``;
- ``{"stop": n, "grace": seconds}``: SIGTERM to all of the job's processes, SIGKILL after the grace period.

A worker that closes its end of a job's status pipe waits for the job's end no longer: the child has said that it was
about to end (``python_child.py``). One that does not is killed.

In a moment of rest it forks a spare child for the next job (``spare.py``).

**Nothing outlives a job.** Each child leads its own session and adopts its orphaned descendants (a subreaper), so
that what it leaves behind at its end, however it detached, becomes a child of this process, which kills it. **Nothing
outlives the worker**: when its end of the socket closes, or it is no longer our parent, all jobs are killed, with
their descendants, and this process ends. **Nothing outlives this process**: its children asked the kernel for SIGKILL
at its death, and the worker then looks for what they had started by a mark in the environment (``strays.py``).

Standard library only, Python 3.8 and later: it runs in the interpreter of a pack's virtualenv.
"""

from __future__ import annotations

import array
import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Mapping

from st_ops.runners.sandbox import child, kernel
from st_ops.runners.sandbox.running import Running, kill_those_that_multiply, remove_and_exit, say
from st_ops.runners.sandbox.spare import Spares

if TYPE_CHECKING:
    from st_ops.runners.sandbox.preload import Trial

#: Seconds between two looks at whether our worker still is our parent.
_PARENT_CHECK = 5.0

#: Seconds after a job's end in which no spare child is made: whoever records that end has the machine for himself.
_REST_SECONDS = 0.003

#: Seconds between two looks at how many processes the jobs have.
_COUNT_SECONDS = 0.2

#: Seconds between two looks at whether somebody still waits for the jobs' ends.
_LOOK_SECONDS = 1.0

#: A job older than this may have seen process numbers wrap round.
_WRAP_SECONDS = 2.0

#: Seconds between two looks at whether compiled files of the pack have changed (a child never runs an outdated one).
_COMPILE_SECONDS = 1.0

#: Seconds that all jobs together get to die when the sandbox closes.
_CLOSE_SECONDS = 5.0

_MESSAGE_BYTES = 65536
_FDS = array.array("i")
_ANCILLARY = socket.CMSG_SPACE(4 * _FDS.itemsize)
_BLOCKED = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


class Parent:
    """The loop. ``idle`` is how many seconds without a job end it (the worker starts another when it needs one).

    ``rehearse``: its jobs are Python, so that a spare child has something to go through ahead.
    """

    def __init__(self, control: socket.socket, work_root: str, idle: float, *, rehearse: bool) -> None:
        self._control = control
        self._work_root = work_root
        self._idle = idle
        self._worker = os.getppid()
        self._pid = os.getpid()
        self._jobs: dict[int, Running] = {}  # by pid of the child
        self._ending: list[Running] = []
        self._doomed: set[int] = set()
        self._helpers: set[int] = set()
        #: file → its modification time when it was looked into.
        self._looked_into: dict[str, int] = {}
        self._compiled_at = 0.0
        self._trial: Trial | None = None
        self._spares = Spares(_BLOCKED, rehearse=rehearse)
        self._counted_at = 0.0
        self._looked_at = 0.0
        self._closing = False
        self._leave_at = 0.0
        self._last_job = time.monotonic()
        self._poll = select.poll()
        self._wakeup, writing = os.pipe()
        for fd in (self._wakeup, writing):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._asked_to_end)
        self._poll.register(control.fileno(), select.POLLIN)
        self._poll.register(self._wakeup, select.POLLIN)

    def serve(self) -> None:
        """Serve until the worker is gone or closes, or until nothing was asked for ``idle`` seconds."""
        while not (self._closing and (not self._busy or time.monotonic() > self._leave_at)):
            for fd, _event in self._poll.poll(self._wait_ms()):
                if fd == self._wakeup:
                    self._reap()
                elif not self._receive():
                    self._end_everything()
            self._keep_time()
            if self._resting and time.monotonic() >= self._last_job + _REST_SECONDS:
                self._spares.make()

    @property
    def _busy(self) -> bool:
        return bool(self._jobs or self._ending or self._helpers)

    @property
    def _resting(self) -> bool:
        """There is time for a spare child, and none."""
        return self._spares.wanted and not (self._busy or self._trial or self._closing)

    def _asked_to_end(self, *_: object) -> None:
        self._end_everything()

    def _receive(self) -> bool:
        """Act on one message; False at the end of the conversation."""
        try:
            data, ancillary, _flags, _from = self._control.recvmsg(_MESSAGE_BYTES, _ANCILLARY)
        except ConnectionError:
            return False
        if not data:
            return False
        message = json.loads(data)
        if "start" in message:
            fds = array.array("i")
            for _level, _kind, payload in ancillary:
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
            self._start(message, *fds)
        elif "stop" in message:
            self._stop(message["stop"], message["grace"])
        return True

    def _start(self, message: Mapping[str, Any], stdout: int, stderr: int, channel: int, status: int) -> None:
        self._last_job = time.monotonic()
        number = message["start"]
        # The worker's number is unique for the worker, our pid is for the machine.
        workdir = os.path.join(self._work_root, f"{self._pid}-{number}")
        job = Running(number, status, workdir, message["keep"], message["processes"])
        fds = (stdout, stderr, channel)
        try:
            # What the job starts has higher numbers than this, though a spare child's own is older.
            job.first = kernel.last_pid() if self._spares.pid else 0
            job.pid = self._spares.take(workdir, job.keep, (*fds, status)) or self._fork(job, fds)
        except OSError as error:
            say(status, {"error": f"no process could be made for it: {error.strerror}"})
            os.close(status)
        else:
            self._jobs[job.pid] = job
        finally:
            for fd in fds:
                os.close(fd)
        self._look_into(message.get("file", ""), message.get("pack_path", ""))

    def _fork(self, job: Running, fds: tuple[int, int, int]) -> int:
        os.write(job.status_fd, b"s")
        signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
        try:
            pid = os.fork()
            if pid == 0:
                child.run(self._pid, *fds, job.workdir, job.keep)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)
        job.first = pid
        return pid

    def _drop_spare(self) -> None:
        """It was forked before something that its job should find done."""
        dropped = self._spares.drop()
        if dropped:
            self._helpers.add(dropped)

    def _stop(self, number: int, grace: float) -> None:
        for job in self._jobs.values():
            if job.number == number:
                kernel.signal_tree(job.pid, signal.SIGTERM)
                # A stopped (SIGSTOP) process cannot act on SIGTERM before it goes on.
                kernel.send(job.pid, signal.SIGCONT, group=True)
                job.kill_at = time.monotonic() + grace
                return

    # --- ends ---

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wakeup, 512):
                pass
        finished: Trial | None = None
        while True:
            try:
                # It stays a zombie for now, so that its number cannot name another process while its group is killed.
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if ended is None:
                break
            pid = ended.si_pid
            if pid in self._jobs:
                kernel.send(pid, signal.SIGKILL, group=True)
            _pid, status = os.waitpid(pid, 0)
            self._doomed.discard(pid)
            self._helpers.discard(pid)
            self._spares.ended(pid)
            if self._trial is not None and pid == self._trial.pid:
                finished, self._trial = self._trial, None
            job = self._jobs.pop(pid, None)
            if job is not None:
                job.end(status)
                self._ending.append(job)
        if self._ending:
            self._sweep()
        if finished is not None:
            self._end_trial(finished)

    def _sweep(self) -> None:
        """Kill what ended jobs left behind, and report the jobs of which nothing is left."""
        if self._jobs or self._helpers or self._trial or self._doomed or kernel.has_children():
            for pid in self._orphans():
                self._doomed.add(pid)
                kernel.send(pid, signal.SIGKILL)
        at = time.monotonic()
        late = [job for job in self._ending if at >= job.report_by]
        for job in late if self._doomed else list(self._ending):
            self._ending.remove(job)
            if self._doomed:
                job.report["left"] = sorted(self._doomed)
            self._report(job)

    def _orphans(self) -> list[int]:
        known = {*self._jobs, *self._helpers, *self._doomed, self._spares.pid}
        if self._trial is not None:
            known.add(self._trial.pid)
        first = min(job.first for job in self._ending)
        aged = time.monotonic() - min(job.since for job in self._ending) > _WRAP_SECONDS
        return kernel.unknown_children(known, first, aged)

    def _report(self, job: Running) -> None:
        if job.keep:
            job.report["workdir"] = job.workdir
        else:
            self._remove(job.workdir)
        say(job.status_fd, job.report)
        os.close(job.status_fd)
        self._last_job = time.monotonic()

    def _remove(self, workdir: str) -> None:
        try:
            os.rmdir(workdir)
        except FileNotFoundError:
            return
        except OSError:
            # A large tree would keep us from our duties; a child takes it away.
            pid = os.fork()
            if pid == 0:
                remove_and_exit(workdir)
            self._helpers.add(pid)

    def _end_everything(self) -> None:
        """The worker is gone, or wants us gone: so is all that runs here."""
        if not self._closing:
            self._closing = True
            self._leave_at = time.monotonic() + _CLOSE_SECONDS
        with contextlib.suppress(KeyError):
            self._poll.unregister(self._control.fileno())
        if self._trial is not None:
            kernel.send(self._trial.pid, signal.SIGKILL)
        self._drop_spare()
        for job in self._jobs.values():
            kernel.signal_tree(job.pid, signal.SIGKILL)

    # --- time ---

    def _wait_ms(self) -> float:
        due = [job.kill_at for job in self._jobs.values() if job.kill_at is not None]
        due += [job.report_by for job in self._ending]
        if self._resting:
            due.append(self._last_job + _REST_SECONDS)
        longest = min(_PARENT_CHECK, self._idle)
        if self._jobs:
            longest = min(longest, _LOOK_SECONDS)
        if any(job.most for job in self._jobs.values()):
            longest = min(longest, _COUNT_SECONDS)
        wait = min(due) - time.monotonic() if due else longest
        return max(0.0, min(wait, longest)) * 1000 + 1

    def _keep_time(self) -> None:
        at = time.monotonic()
        for job in self._jobs.values():
            if job.kill_at is not None and at >= job.kill_at:
                job.kill_at = None
                kernel.signal_tree(job.pid, signal.SIGKILL)
        if at > self._looked_at + _LOOK_SECONDS:
            self._looked_at = at
            for job in self._jobs.values():
                # It said that it was ending, and is not. Its worker has given it up.
                aged = job.kill_at is None and at > job.since + _LOOK_SECONDS
                if aged and kernel.nobody_reads(job.status_fd):
                    job.kill_at = at
        if at > self._counted_at + _COUNT_SECONDS:
            self._counted_at = at
            kill_those_that_multiply(self._jobs.values())
        if self._ending and any(at >= job.report_by for job in self._ending):
            self._sweep()
        if os.getppid() != self._worker:
            self._end_everything()
        elif not self._busy and at - self._last_job > self._idle:
            # A job that is on its way finds no "s" on its pipe, and is started in another sandbox.
            self._closing = True

    # --- warmth ---

    def _look_into(self, file: str, pack_path: str) -> None:
        """After the fork: compile what ``file`` needs of the pack, and try out what it imports from outside."""
        if not file or self._trial is not None:
            return
        from st_ops.runners.sandbox.preload import Trial, imports_of
        from st_ops.sdk.sources import compile_again

        try:
            changed = os.stat(file).st_mtime_ns
        except OSError:
            return  # the run will say so
        if self._looked_into.get(file) == changed:
            if time.monotonic() - self._compiled_at > _COMPILE_SECONDS:
                compile_again()
                self._compiled_at = time.monotonic()
            return
        self._looked_into[file] = changed
        self._drop_spare()
        names = imports_of(file, pack_path)
        gc.freeze()
        if names:
            self._trial = Trial(names)

    def _end_trial(self, trial: Trial) -> None:
        from st_ops.runners.sandbox.preload import import_quietly

        for name in trial.harmless():
            import_quietly(name)
        self._drop_spare()
        gc.collect()
        gc.freeze()


def main(arguments: list[str]) -> int:
    """Be the parent of a sandbox.

    ``arguments``: the socket's descriptor, the folder for the jobs' folders, the seconds of idleness after which to
    end, and what is run here, ``python`` or ``programs``. One for programs stays as small as it can.
    """
    control_fd, work_root, idle, kind = arguments
    kernel.adopt_orphans()
    kernel.prefer_in_want_of_memory()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.disable()
    os.set_inheritable(int(control_fd), False)
    if kind == "python":
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
        for name in (
            "st_ops.runners.sandbox.rehearsal",
            "st_ops.runners.sandbox.python_child",
            "st2common.runners.base_action",
        ):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    control = socket.socket(fileno=int(control_fd))
    parent = Parent(control, work_root, float(idle), rehearse=kind == "python")
    gc.collect()
    gc.freeze()
    parent.serve()
    return 0
