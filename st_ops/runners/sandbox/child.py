"""What happens in the child between the fork and the end of one job. Standard library only, Python 3.8 and later.

The job's description arrives as the first frame on its channel::

    {"kind": "exec", "argv": […], "env": {…}, "cwd": "" | path, "stdin": "" | text, "limits": {…}}
    {"kind": "python", "job": {… as st_ops.sdk.run_action takes it}, "env": …, "cwd": …, "limits": …, "result_bytes": n}

``limits`` are ``memory_mb``, ``cpu_seconds``, ``open_files`` and ``file_mb``; an absent one is not set.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import gc
import os
import resource
import shutil
import signal
import sys
import threading
from typing import Any, Mapping, NoReturn, Sequence

from st_ops.runners.sandbox import kernel
from st_ops.sdk.wire import Channel, ChannelClosed, FrameTooLarge

#: Exit code when the job could not be set up; the channel says why.
SETUP_FAILED = 126

#: The channel's descriptor lies out of the way of code that closes 3 and up before it daemonises.
_CHANNEL_FD = 900

_RESET = ("SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD", "SIGPIPE", "SIGXFSZ", "SIGUSR1", "SIGUSR2", "SIGALRM")

_MB = 1024 * 1024


def run(parent: int, stdout: int, stderr: int, channel_fd: int, workdir: str, keep: bool) -> NoReturn:
    """Be the process of one job: never returns. ``parent`` is the pid of the sandbox that forked us."""
    code = SETUP_FAILED
    try:
        code = _run(parent, stdout, stderr, channel_fd, workdir, keep)
    finally:
        os._exit(code)


def _run(parent: int, stdout: int, stderr: int, channel_fd: int, workdir: str, keep: bool) -> int:
    os.setsid()
    kernel.die_with_parent()
    kernel.adopt_orphans()
    if os.getppid() != parent:
        return SETUP_FAILED  # the sandbox died before we asked to die with it
    channel = Channel(_take_descriptors(stdout, stderr, channel_fd))
    _default_signals()
    try:
        spec = channel.receive()
        assert spec is not None  # without a timeout, receive gives a message or raises
        _enter(spec, workdir)
    except ChannelClosed:
        return SETUP_FAILED
    except (OSError, ValueError) as error:
        channel.send({"type": "setup_failed", "error": str(error)})
        return SETUP_FAILED
    if spec["kind"] == "exec":
        return _exec(channel, spec)
    return _python(channel, spec, "" if keep else workdir)


def _take_descriptors(stdout: int, stderr: int, channel_fd: int) -> int:
    """Put the job's descriptors in their places, close every other, and give the channel's."""
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    try:
        channel = fcntl.fcntl(channel_fd, fcntl.F_DUPFD_CLOEXEC, _CHANNEL_FD)
    except OSError:  # fewer descriptors than that are allowed here
        channel = fcntl.fcntl(channel_fd, fcntl.F_DUPFD_CLOEXEC, 3)
    kernel.close_descriptors(keep=channel)
    return channel


def _default_signals() -> None:
    signal.set_wakeup_fd(-1)
    for name in _RESET:
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _enter(spec: Mapping[str, Any], workdir: str) -> None:
    """Take on the job's folder, limits and environment. Raises OSError or ValueError with a sentence."""
    os.mkdir(workdir, 0o700)
    cwd = spec.get("cwd") or workdir
    try:
        os.chdir(cwd)
    except OSError as error:
        raise ValueError(f"The working directory '{cwd}' cannot be entered: {error.strerror}.") from error
    # The kernel, short of memory, shall end an action before it ends the platform.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")
    _limit(spec.get("limits", {}))
    os.environ.clear()
    os.environ.update(spec["env"], ST_OPS_WORKDIR=workdir)


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
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _set_limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    # SIGXCPU at the soft limit is what tells the reader why; the hard one is for those who ignore it.
    slack = 1 if what == resource.RLIMIT_CPU and value != hard else 0
    resource.setrlimit(what, (value, value + slack))


def _exec(channel: Channel, spec: Mapping[str, Any]) -> int:
    """Become the command. Comes back only when that failed."""
    if spec.get("stdin"):
        _feed_stdin(spec["stdin"].encode("utf-8"))
    argv = spec["argv"]
    try:
        _become(argv)
    except OSError as error:
        channel.send({"type": "setup_failed", "error": f"'{argv[0]}' cannot be run: {error.strerror}."})
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
    """Give the command ``text`` (a password: at most what a pipe holds, 64 kB) on its stdin."""
    reading, writing = os.pipe()
    os.write(writing, text)
    os.close(writing)
    os.dup2(reading, 0)
    os.close(reading)


def _python(channel: Channel, spec: Mapping[str, Any], remove: str) -> int:
    from st_ops.sdk import run_action

    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as every Python program has it: an exception, not a death
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    gc.enable()
    sys.argv = [spec["job"]["file"]]
    _reseed()
    outcome = run_action.run(spec["job"], channel)
    code = int(outcome["exit_code"])
    _tell(channel, {"type": "result", **outcome}, spec["result_bytes"])
    _finish_like_an_interpreter()
    if remove:
        os.chdir("/")
        shutil.rmtree(remove, ignore_errors=True)
    return code


def _reseed() -> None:
    """``random`` reseeds itself after a fork; numpy's global generator does not."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _tell(channel: Channel, message: Mapping[str, Any], result_bytes: int) -> None:
    capped = Channel(channel.fileno(), limit=result_bytes)
    try:
        capped.send(message)
    except FrameTooLarge as error:
        channel.send({**message, "result": None, "result_too_large": error.size})
    except ChannelClosed:
        sys.stderr.write("The result could not be handed over: the action closed the sandbox's descriptor.\n")


def _finish_like_an_interpreter() -> None:
    """Wait for threads that are not daemons, run atexit functions, flush: what a normal end does, but for the
    tear-down of modules, whose only effect here would be time."""
    for finish in (threading._shutdown, atexit._run_exitfuncs, sys.stdout.flush, sys.stderr.flush):  # type: ignore[attr-defined]
        try:
            finish()
        except BaseException as error:  # noqa: BLE001 - the job is over; its author reads of it in stderr
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"At exit: {type(error).__name__}: {error}\n")
