"""Run one Python action in this process: the child's side of the python-script runner.

A job is a JSON object::

    {"file": absolute path, "entry": class or function name or "", "parameters": {…}, "config": {…},
     "pack": "aws", "pack_path": absolute folder,
     "action": "aws.run_instances", "user": "stanley", "log_level": "DEBUG",
     "execution": {"id": …, "parent_id": …, "root_id": …, "context": {…}}}

and its outcome ``{"status": "succeeded" | "failed", "result": any JSON, "exit_code": int}``, with ``"error"``, a
sentence, when the action raised something. The contract is StackStorm's (reference 1.4).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import resource
import sys
import traceback
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping

from st_ops.sdk.actions import ActionFailed
from st_ops.sdk.context import Context, PackConfig, Platform
from st_ops.sdk.modules import ACTION_METHODS, find_entry, load, wants_context
from st_ops.sdk.plain import plain
from st_ops.sdk.stackstorm import ActionService, stderr_logger
from st_ops.sdk.wire import Channel

#: Exit code for a ``(status, result)`` tuple whose status is not a boolean.
INVALID_STATUS = 220

#: What StackStorm reports as result when the action ended without giving one.
NO_RESULT = "None"

_INVALID_STATUS_TEXT = (
    "The action returned a tuple of two whose first item is {got!r}. Such a tuple means (status, result), "
    "and the status must be True or False. Return a list, or (True, result).\n"
)


def run(job: Mapping[str, Any], platform: Platform) -> dict[str, Any]:
    """Run ``job`` to its end and give its outcome. Nothing the action raises gets out of here."""
    more_memory = memory_reserve()
    try:
        target = find_entry(
            load(job["file"], job.get("pack_path", "")), job.get("entry", ""), ACTION_METHODS, "action"
        )
        if inspect.isclass(target):
            return _class_outcome(_instance(target, job, platform).run(**job.get("parameters", {})))
        return {"status": "succeeded", "result": plain(_call(target, job, platform)), "exit_code": 0}
    except ActionFailed as failure:
        sys.stderr.write(f"{failure}\n")
        result = {"error": str(failure)} if failure.result is None else failure.result
        return {"status": "failed", "result": plain(result), "exit_code": 1, "error": str(failure)}
    except SystemExit as leave:
        return _exit_outcome(leave)
    except BaseException as error:  # noqa: BLE001  # the edge of the child: whatever it was, the platform hears of it
        if isinstance(error, MemoryError):
            more_memory()
        _print_traceback()
        said = f"{type(error).__name__}: {error}"
        return {"status": "failed", "result": NO_RESULT, "exit_code": 1, "error": said}
    finally:
        _flush()


def rehearse(cls: Any, job: Mapping[str, Any]) -> dict[str, Any]:
    """Run the action class ``cls``, which asks nothing of the platform, as :func:`run` would; its outcome."""
    return _class_outcome(_instance(cls, job, _Nobody()).run(**job["parameters"]))


class _Nobody:
    """A platform that is not there."""

    def request(self, method: str, **arguments: Any) -> Any:
        raise RuntimeError(f"Nobody answers {method}.")


def _instance(cls: Any, job: Mapping[str, Any], platform: Platform) -> Any:
    logger = stderr_logger(f"actions.python.{cls.__name__}", job.get("log_level", "DEBUG"))
    service = ActionService(platform, job["pack"], cls.__name__, logger, job.get("log_level", "DEBUG"))
    config = PackConfig(job["pack"], job.get("config"))
    try:
        return cls(config=config, action_service=service)
    except TypeError as error:
        if "unexpected keyword argument 'action_service'" not in str(error):
            raise
    action = cls(config=config)  # actions older than action_service
    action.action_service = service
    return action


def _class_outcome(output: Any) -> dict[str, Any]:
    if not (isinstance(output, tuple) and len(output) == 2):
        return {"status": "succeeded", "result": plain(output), "exit_code": 0}
    status, result = output
    if status is not None and not isinstance(status, bool):
        sys.stderr.write(_INVALID_STATUS_TEXT.format(got=status))
        return {"status": "failed", "result": NO_RESULT, "exit_code": INVALID_STATUS}
    return {"status": "failed" if status is False else "succeeded", "result": plain(result), "exit_code": 0}


def _call(function: Any, job: Mapping[str, Any], platform: Platform) -> Any:
    arguments = dict(job.get("parameters", {}))
    parameter = wants_context(function)
    if parameter:
        name = job.get("action") or f"{job['pack']}.{function.__name__}"
        arguments[parameter] = Context(
            platform,
            pack=job["pack"],
            name=name,
            logger=stderr_logger(f"actions.python.{function.__name__}", job.get("log_level", "DEBUG")),
            config=job.get("config"),
            user=job.get("user", ""),
            execution=job.get("execution"),
        )
    return function(**arguments)


def _exit_outcome(leave: SystemExit) -> dict[str, Any]:
    code = leave.code
    if code is not None and not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    code = (code or 0) & 0xFF
    return {"status": "failed" if code else "succeeded", "result": NO_RESULT, "exit_code": code}


def memory_reserve() -> Callable[[], None]:
    """What to call after a MemoryError, to have some more in which to tell of it.

    It raises the limit to the hard one, which lies above it. It is no function of ours: with no memory left there is
    none for a frame either.
    """
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    return functools.partial(resource.setrlimit, resource.RLIMIT_DATA, (hard, hard))


def _print_traceback() -> None:
    """The traceback without our own frames: an author wants to see the action's file first."""
    kind, error, trace = sys.exc_info()
    own = str(Path(__file__).parent)
    while trace is not None and trace.tb_next and trace.tb_frame.f_code.co_filename.startswith(own):
        trace = trace.tb_next
    traceback.print_exception(kind, error, trace, file=sys.stderr)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the action closed it; there is nothing left to lose
            stream.flush()


def preload(files: Iterable[str], pack_path: str = "") -> dict[str, str]:
    """Import ``files`` ahead of use; those that cannot be are left for their run to fail with. Path → why."""
    faults = {}
    for file in files:
        fault = _load_fault(file, pack_path)
        if fault:
            faults[file] = fault
    return faults


def _load_fault(file: str, pack_path: str) -> str:
    try:
        load(file, pack_path)
    except Exception as error:  # noqa: BLE001  # a broken file concerns only its own runs
        return f"{type(error).__name__}: {error}"
    return ""


def main(arguments: list[str]) -> int:
    """``python -m st_ops.sdk.run_action FD``: read a job from the channel on FD, run it, send its outcome."""
    channel = Channel(int(arguments[0]))
    job = channel.receive()
    assert job is not None  # without a timeout, receive gives a message or raises
    outcome = run(job, channel)
    channel.send({"type": "result", **outcome})
    return int(outcome["exit_code"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
