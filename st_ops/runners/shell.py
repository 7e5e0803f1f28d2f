"""local-shell-cmd and local-shell-script: a command line, or a script of the pack, on this machine (StackStorm 1.3)."""

from __future__ import annotations

import functools
import logging
import os
import re
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.runners import process
from st_ops.runners.arguments import script_arguments
from st_ops.runners.base import Console, Job, Stop
from st_ops.runners.environment import job_environment
from st_ops.runners.options import RunnerOptions
from st_ops.runners.process import Assignment, Ended
from st_ops.runners.sandbox.pool import PROGRAMS, SandboxPool
from st_ops.runners.text import loads

log = logging.getLogger(__name__)

_BAD_PASSWORD = re.compile(
    r"sudo: (\d+ incorrect password attempt|a password is required|no password was provided)"
)

#: StackStorm's code for a run that sudo refused, and for one that its timeout ended.
_SUDO_REFUSED = -1
_TIMED_OUT = -9


class LocalShellRunner:
    """Runs both local runner types, in a sandbox that does nothing but start programs."""

    names: tuple[str, ...] = ("local-shell-cmd", "local-shell-script")
    inline = False

    def __init__(self, options: RunnerOptions, pool: SandboxPool) -> None:
        self._options = options
        self._pool = pool

    def run(self, job: Job, console: Console, stop: Stop) -> Outcome:
        """See ``base.Runner.run``; the result is ``{failed, succeeded, return_code, stdout, stderr[, error]}``."""
        given = job.runner_parameters
        if given.get("content_version"):
            return failed("content_version is not supported: a run takes the pack as it is installed.")
        try:
            argv = _script(job) if job.action.runner_type in _SCRIPT else _command(given)
        except ValueError as error:
            return failed(str(error))
        password = given.get("sudo_password") or ""
        if given.get("sudo"):
            argv = [*sudo(bool(password)), *argv]
        limits = self._options.limits_of(job.action.limits)
        work = Assignment(
            pack=PROGRAMS,
            describe=lambda base: {
                "kind": "exec",
                "argv": argv,
                "env": job_environment(job, base),
                "cwd": given.get("cwd") or "",
                "stdin": f"{password}\n" if given.get("sudo") and password else "",
                "limits": limits,
            },
            keep_workdir=job.keep_workdir,
            processes=int(limits.get("processes", 0)),
            timeout=job.timeout,
            grace_seconds=self._options.grace_seconds,
            output_bytes=int(limits.get("output_bytes", self._options.output_bytes)),
        )
        return shell_outcome(process.run(self._pool, work, console, stop), job.timeout, limits)

    def close(self) -> None:
        """Nothing is held: the pool is its owner's."""


_SCRIPT = ("local-shell-script", "run-local-script")


@functools.cache
def shell() -> str:
    """Bash where there is one, since StackStorm runs commands under it, else sh."""
    return shutil.which("bash") or "/bin/sh"


def sudo(with_password: bool) -> Sequence[str]:
    """The words for sudo that keeps the environment, and reads the password from stdin or never asks for one."""
    return ["sudo", "-E", "-S", "-p", "", "--"] if with_password else ["sudo", "-E", "-n", "--"]


def _command(given: Mapping[str, Any]) -> list[str]:
    if not given.get("cmd"):
        raise ValueError("The parameter 'cmd' is missing: there is no command to run.")
    return [shell(), "-c", given["cmd"]]


def script_path(job: Job) -> Path:
    """The absolute path of the action's entry point. Raises ValueError with a sentence when it is no file."""
    if not job.action.entry_point:
        raise ValueError(f"The action {job.action.ref} has no entry_point: there is no file to run.")
    path = Path(job.pack_path, "actions", job.action.entry_point)
    if not path.is_file():
        raise ValueError(f"The entry point of {job.action.ref} does not exist: expected a file at {path}.")
    return path


def _script(job: Job) -> list[str]:
    path = script_path(job)
    arguments = script_arguments(job.action, job.parameters, job.runner_parameters.get("kwarg_op") or "--")
    if os.access(path, os.X_OK):
        return [str(path), *arguments]
    try:
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    except OSError:  # a pack on a read-only file system
        return [shell(), str(path), *arguments]
    return [str(path), *arguments]


def failed(reason: str) -> Outcome:
    """The outcome of a shell run that could not begin."""
    result = {
        "failed": True,
        "succeeded": False,
        "return_code": -1,
        "stdout": "",
        "stderr": "",
        "error": reason,
    }
    return Outcome(status=Status.FAILED, result=result, reason=reason)


def shell_outcome(ended: Ended, timeout: float | None, limits: Mapping[str, float]) -> Outcome:
    """The outcome of a shell run that ended so. SIGTERM from outside means abandoned, as in StackStorm."""
    code, status, error = ended.exit_code, Status.FAILED, ""
    if ended.stopped == "timeout":
        code, status, error = _TIMED_OUT, Status.TIMEOUT, timeout_text(timeout)
    elif ended.stopped:
        status, error = Status.CANCELED, f"It was stopped: {ended.stopped}."
    elif ended.lost:
        error = f"The process that watched over the run was lost: {ended.lost}."
    elif found := _BAD_PASSWORD.search(ended.stderr):
        code, error = (
            _SUDO_REFUSED,
            f"sudo did not let us in ({found[1]}): check sudo_password and the sudoers file.",
        )
    elif code == 0:
        status = Status.SUCCEEDED
    elif code < 0 or ended.message:
        status = Status.ABANDONED if code == -15 else Status.FAILED
        error = process.describe_end(ended, limits)
    result = {
        "failed": code != 0,
        "succeeded": code == 0,
        "return_code": code,
        "stdout": parsed(ended.stdout),
        "stderr": parsed(ended.stderr),
    }
    if error:
        result["error"] = error
    lost = bool(ended.lost) and not ended.stopped
    return Outcome(
        status=status, result=result, reason=error or process.describe_end(ended, limits), lost=lost
    )


def timeout_text(timeout: float | None) -> str:
    """StackStorm's sentence for a timeout of ``timeout`` seconds."""
    return f"Action failed to complete in {timeout:g} seconds"


def parsed(text: str) -> Any:
    """Output as StackStorm stores it: the last line end cut off, and what is JSON as the value it stands for."""
    text = text.removesuffix("\n").removesuffix("\r")
    # Most output is not JSON, and its first character tells so.
    if text[:1] not in _JSON_STARTS:
        return text
    try:
        return loads(text)
    except ValueError:
        return text


_JSON_STARTS = frozenset('{["-0123456789tfn \t\n')
