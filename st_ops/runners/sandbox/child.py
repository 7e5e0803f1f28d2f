"""What happens in the child between the fork and the end of one job. Standard library only, Python 3.8 and later.

The job's description arrives as the first frame (``st_ops.sdk.wire``) on its channel::

    {"kind": "exec", "argv": […], "env": {…}, "cwd": "" | path, "stdin": "" | text, "limits": {…}}
    {"kind": "python", "job": {… as st_ops.sdk.run_action takes it}, "env": …, "cwd": …, "limits": …, "result_bytes": n}

``env`` is added to the environment of the sandbox, which is clean. ``limits`` are ``memory_mb``, ``cpu_seconds``,
``open_files`` and ``file_mb``; an absent one is not set.

A forked child pays about 2 µs for every page of memory it is first to write to after the fork, and in Python to use
an object is to write to it. So this code does few things, with plain means.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import errno
import fcntl
import json
import os
import resource
import select
import struct

# By name: whatever an action puts in its place, a child must never come back as a second parent.
from os import _exit
from typing import Any, Mapping, NoReturn, Sequence

from st_ops.runners.sandbox import kernel

#: Exit code when the job could not be set up; the channel says why.
SETUP_FAILED = 126

#: The channel's descriptor lies out of the way of code that closes 3 and up before it daemonises.
CHANNEL_FD = 900

_MB = 1024 * 1024

#: How far the hard limit lies above the one that counts. For CPU time, since SIGXCPU at the soft limit is what tells
#: the reader why, and the hard one ends those who ignore it; for memory, so that its want can be told of.
_SLACK = {resource.RLIMIT_CPU: 1, resource.RLIMIT_DATA: 64 * _MB}


def run(parent: int, stdout: int, stderr: int, channel_fd: int, workdir: str, keep: bool) -> NoReturn:
    """Be the process of one job: never returns. ``parent`` is the pid of the sandbox that forked us."""
    code = SETUP_FAILED
    try:
        if settle(parent):
            code = be_job(stdout, stderr, channel_fd, workdir, keep)
    finally:
        _exit(code)


def settle(parent: int) -> bool:
    """Become a process of our own, which ends with its parent and adopts its orphans; False when that has ended."""
    os.setsid()
    kernel.die_with_parent()
    kernel.adopt_orphans()
    # The sandbox may have died before we asked to die with it.
    return os.getppid() == parent


def be_job(stdout: int, stderr: int, channel_fd: int, workdir: str, keep: bool) -> int:
    """Take the descriptors and the description, and do as it says; the exit code."""
    channel = _take_descriptors(stdout, stderr, channel_fd)
    kernel.default_signals()
    spec = read_frame(channel)
    if spec is None:
        return SETUP_FAILED
    try:
        _enter(spec, workdir)
    except (OSError, ValueError) as error:
        _complain(channel, str(error))
        return SETUP_FAILED
    if spec["kind"] == "exec":
        return _exec(channel, spec)
    from st_ops.runners.sandbox import python_child

    return python_child.run(channel, spec, "" if keep else workdir)


def _take_descriptors(stdout: int, stderr: int, channel_fd: int) -> int:
    """Put the job's descriptors in their places, close every other, and give the channel's. stdin is /dev/null."""
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    try:
        channel = fcntl.fcntl(channel_fd, fcntl.F_DUPFD_CLOEXEC, CHANNEL_FD)
    except OSError:  # fewer descriptors than that are allowed here
        os.dup2(channel_fd, 3, inheritable=False)
        channel = 3
    # The parent opens nothing that could have a higher number (preload.py sees to that).
    os.closerange(4 if channel == 3 else 3, CHANNEL_FD)
    return channel


def read_frame(fd: int) -> Mapping[str, Any] | None:
    """The first frame on the channel; None when the worker is gone."""
    head = _read(fd, 4)
    body = _read(fd, struct.unpack(">I", head)[0]) if head else b""
    return json.loads(body) if body else None


def _read(fd: int, size: int) -> bytes:
    """Exactly ``size`` bytes, or none."""
    data = os.read(fd, size)
    while data and len(data) < size:
        more = os.read(fd, min(size - len(data), 1 << 20))
        if not more:
            return b""
        data += more
    return data


def _complain(fd: int, sentence: str) -> None:
    body = json.dumps({"type": "setup_failed", "error": sentence}).encode("utf-8")
    os.write(fd, struct.pack(">I", len(body)) + body)


def _enter(spec: Mapping[str, Any], workdir: str) -> None:
    """Take on the job's folder, limits and environment. Raises OSError or ValueError with a sentence."""
    os.mkdir(workdir, 0o700)
    cwd = spec.get("cwd") or workdir
    try:
        os.chdir(cwd)
    except OSError as error:
        raise ValueError(f"The working directory '{cwd}' cannot be entered: {error.strerror}.") from error
    _limit(spec.get("limits", {}))
    set_environment(spec["env"])
    os.environ["ST_OPS_WORKDIR"] = workdir


def set_environment(variables: Mapping[str, str]) -> None:
    """Add ``variables`` to the environment of this process."""
    for name, value in variables.items():
        os.environ[name] = value


def _limit(limits: Mapping[str, Any]) -> None:
    # RLIMIT_DATA and not RLIMIT_AS: runtimes that reserve address space without using it (Java, Go) must start.
    for name, what, unit in (
        ("memory_mb", resource.RLIMIT_DATA, _MB),
        ("cpu_seconds", resource.RLIMIT_CPU, 1),
        ("open_files", resource.RLIMIT_NOFILE, 1),
        ("file_mb", resource.RLIMIT_FSIZE, _MB),
    ):
        if limits.get(name):
            _set_limit(what, int(limits[name] * unit))


def _set_limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    upper = value + _SLACK.get(what, 0)
    resource.setrlimit(what, (value, upper if hard == resource.RLIM_INFINITY else min(upper, hard)))


def _exec(channel: int, spec: Mapping[str, Any]) -> int:
    """Become the command. Comes back only when that failed."""
    if spec.get("stdin"):
        _feed_stdin(spec["stdin"].encode("utf-8"))
    # What Python ignores, a program expects to end it.
    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
    _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
    argv = spec["argv"]
    try:
        _become(argv)
    except OSError as error:
        _complain(channel, f"'{argv[0]}' cannot be run: {error.strerror}.")
    return SETUP_FAILED


def _become(argv: Sequence[str]) -> None:
    try:
        os.execvp(argv[0], list(argv))
    except OSError as error:
        # A script without a first line that names its interpreter is the shell's, as execvp(3) has it.
        if error.errno != errno.ENOEXEC:
            raise
    os.execv("/bin/sh", ["/bin/sh", *argv])


def _feed_stdin(text: bytes) -> None:
    """Give the command ``text`` on its stdin, whose end it then meets. It is never on a disk."""
    reading, writing = os.pipe()
    # A pipe holds 64 kB, less where the user's pipes are many; more would wait for a reader that is not there yet.
    if len(text) > select.PIPE_BUF:
        os.close(reading)
        os.close(writing)
        reading = writing = os.memfd_create("stdin")
    sent = 0
    while sent < len(text):
        sent += os.write(writing, text[sent:])
    if reading == writing:
        os.lseek(reading, 0, os.SEEK_SET)
    else:
        os.close(writing)
    os.dup2(reading, 0)
    os.close(reading)
