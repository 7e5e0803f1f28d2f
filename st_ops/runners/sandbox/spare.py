"""A child forked ahead of the job it will be, in a moment of rest: what a fork costs is then paid before anybody waits.

It knows nothing of its job, runs no file of the pack, and is used once. Having gone through the motions with an action
of our own (``rehearsal.py``), it says so with one byte and waits for its job. Standard library only, Python 3.8 and
later.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import os
import signal
import socket

# By name, as in child.py.
from os import _exit
from typing import Any, NoReturn, Sequence

from st_ops.runners.sandbox import child, kernel

#: Its end of the conversation lies beyond what a child closes, and beyond the channel (``child.py``).
_DOOR_FD = child.CHANNEL_FD + 1

_MESSAGE_BYTES = 65536
_FDS = array.array("i")


class Spares:
    """The spare child of a sandbox's parent: one at a time, one for each moment of rest after a job."""

    def __init__(self, blocked: Sequence[Any], *, rehearse: bool) -> None:
        """``blocked`` are the signals that must not reach a child before it is itself."""
        self._blocked = blocked
        self._rehearse = rehearse
        self._spare: _Spare | None = None
        #: A job has come since the last one was made.
        self.wanted = False

    @property
    def pid(self) -> int:
        """That of the spare child; 0 when there is none."""
        return 0 if self._spare is None else self._spare.pid

    def make(self) -> None:
        """Have one for the next job. Where no process can be made, the job will say so."""
        self.wanted = False
        if self._spare is None:
            with contextlib.suppress(OSError):
                self._spare = _Spare(self._blocked, self._rehearse)

    def take(self, workdir: str, keep: bool, fds: Sequence[int]) -> int:
        """Make the spare child that of a job; its pid, or 0 when there is none that is ready."""
        self.wanted = True
        if self._spare is None or not self._spare.hand_over(workdir, keep, fds):
            return 0
        pid, self._spare = self._spare.pid, None
        return pid

    def drop(self) -> int:
        """Kill it; the pid of the child that is now dying, or 0."""
        if self._spare is None:
            return 0
        pid = self._spare.pid
        kernel.send(pid, signal.SIGKILL)
        self.ended(pid)
        return pid

    def ended(self, pid: int) -> None:
        """The child ``pid`` is no more: perhaps it was the spare one."""
        if self._spare is not None and self._spare.pid == pid:
            self._spare.close()
            self._spare = None


class _Spare:
    """One of them, from the parent's side. Raises OSError when no process can be made."""

    def __init__(self, blocked: Sequence[Any], rehearse: bool) -> None:
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        with theirs:
            signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
            try:
                self.pid = os.fork()
                if self.pid == 0:
                    _be_spare(parent, theirs.fileno(), rehearse)
            except OSError:
                self._door.close()
                raise
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)

    def hand_over(self, workdir: str, keep: bool, fds: Sequence[int]) -> bool:
        """Give it a job with its stdout, stderr, channel and status pipe; False when it is not ready, or dead."""
        try:
            if self._door.recv(1, socket.MSG_DONTWAIT) != b"r":
                return False
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            self._door.sendmsg([json.dumps([workdir, keep]).encode("utf-8")], rights)
        except OSError:
            return False
        self._door.close()
        return True

    def close(self) -> None:
        """End the conversation: it goes away unless it is a job's."""
        self._door.close()


def _be_spare(parent: int, door: int, rehearse: bool) -> NoReturn:
    """In the child: prepare, wait, and be the process of the job that comes. Never returns."""
    code = child.SETUP_FAILED
    try:
        code = _wait(parent, door, rehearse)
    finally:
        _exit(code)


def _wait(parent: int, door: int, rehearse: bool) -> int:
    if not child.settle(parent):
        return child.SETUP_FAILED
    kept = fcntl.fcntl(door, fcntl.F_DUPFD_CLOEXEC, _DOOR_FD)
    os.closerange(3, child.CHANNEL_FD)
    kernel.default_signals()
    if rehearse:
        from st_ops.runners.sandbox.rehearsal import go_through_the_motions

        go_through_the_motions()
    conversation = socket.socket(fileno=kept)
    conversation.send(b"r")
    text, ancillary, _flags, _from = conversation.recvmsg(
        _MESSAGE_BYTES, socket.CMSG_SPACE(4 * _FDS.itemsize)
    )
    conversation.close()
    if not text:
        return 0  # it was never needed
    fds = array.array("i")
    for _level, _kind, payload in ancillary:
        fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    workdir, keep = json.loads(text)
    stdout, stderr, channel, status = fds
    # From here on the job has begun. A spare that died before it could say so has not touched it.
    os.write(status, b"s")
    return child.be_job(stdout, stderr, channel, workdir, keep)
