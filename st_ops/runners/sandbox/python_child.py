"""The end of the way for a Python action: run it, hand over what it returned, and finish as an interpreter does.

Standard library only, Python 3.8 and later.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import sys
import threading

# By name, so that an action that puts something else into the module does not keep its folder from being deleted.
from os import chdir, rmdir
from threading import active_count
from typing import Any, Callable, Mapping

from st_ops.runners.sandbox.kernel import has_children
from st_ops.sdk import run_action
from st_ops.sdk.wire import Channel, ChannelClosed, FrameTooLarge


def run(channel_fd: int, spec: Mapping[str, Any], remove: str) -> int:
    """Run the action that ``spec`` describes; its exit code. ``remove`` is the folder to delete afterwards, or ""."""
    gc.enable()
    sys.argv = [spec["job"]["file"]]
    _reseed()
    channel = Channel(channel_fd, limit=spec["result_bytes"])
    outcome = run_action.run(spec["job"], channel)
    code = _tell(channel, outcome)
    _finish_like_an_interpreter()
    if remove:
        _attempt(lambda: _remove(remove))
        _take_leave(channel, code)
    return code


def _take_leave(channel: Channel, code: int) -> None:
    """Say that nothing of the job is left but the end of this process: its worker need not wait for that.

    The kernel takes a millisecond to take a process down. Not said where anything else runs still, or may.
    """
    if active_count() > 1 or has_children():
        return
    # An action may have broken anything; then the end of the process says the same.
    with contextlib.suppress(Exception):
        channel.send_json(b'{"type": "left", "code": %d}' % (code & 0xFF))


def _reseed() -> None:
    """``random`` reseeds itself after a fork; numpy's global generator does not."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _tell(channel: Channel, outcome: Mapping[str, Any]) -> int:
    """Hand over the outcome of the action, or why that is not possible; the exit code."""
    more_memory = run_action.memory_reserve()
    try:
        channel.send({"type": "result", **outcome})
    except FrameTooLarge as error:
        channel.send({"type": "result", **outcome, "result": None, "result_too_large": error.size})
    except ChannelClosed:
        with contextlib.suppress(OSError, ValueError):  # it may have closed stderr as well
            sys.stderr.write(
                "The result could not be handed over: the action closed the sandbox's descriptor.\n"
            )
    except BaseException as error:  # noqa: BLE001 - the action may have broken anything, and the platform hears of it
        if isinstance(error, MemoryError):
            more_memory()
        return _tell_plainly(channel, error)
    return int(outcome["exit_code"])


def _tell_plainly(channel: Channel, error: BaseException) -> int:
    """Say by the plainest means that there is no saying the result."""
    said = f"{type(error).__name__}: {error}"
    safe = "".join(sign if sign.isalnum() or sign in " .,:;_'()[]-" else "?" for sign in said[:300])
    channel.send_json(
        b'{"type": "result", "status": "failed", "result": "None", "exit_code": 1, "error": '
        b"\"The action's result could not be handed over (" + safe.encode("ascii", "replace") + b')."}'
    )
    return 1


def _finish_like_an_interpreter() -> None:
    """Wait for threads that are not daemons, run atexit functions, flush.

    That is what a normal end does, but for the tear-down of modules, whose only effect here would be time.
    """
    for finish in (threading._shutdown, atexit._run_exitfuncs, sys.stdout.flush, sys.stderr.flush):  # type: ignore[attr-defined]
        _attempt(finish)


def _attempt(finish: Callable[[], object]) -> None:
    try:
        finish()
    except BaseException as error:  # noqa: BLE001 - the job is over; its author reads of it in stderr
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"At exit: {type(error).__name__}: {error}\n")


def _remove(folder: str) -> None:
    """Delete the job's folder, which in most cases nothing was put in."""
    chdir("/")
    try:
        rmdir(folder)
    except OSError:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
