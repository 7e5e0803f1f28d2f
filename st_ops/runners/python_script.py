"""python-script: a Python action of a pack, in a child forked from the pack's warm sandbox (StackStorm 1.3, 1.4)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from st_ops.errors import StOpsError
from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.runners import process
from st_ops.runners.base import Console, Job, Services, Stop
from st_ops.runners.environment import job_environment
from st_ops.runners.options import RunnerOptions
from st_ops.runners.process import Assignment, Ended
from st_ops.runners.sandbox.handle import SandboxGone
from st_ops.runners.sandbox.pool import SHARED, SandboxPool
from st_ops.runners.shell import timeout_text
from st_ops.runners.text import sentence

log = logging.getLogger(__name__)

#: What StackStorm reports as the result of an action that gave none.
NO_RESULT = "None"

_NOTHING_SAID = (
    "The action's process ended without giving a result: it left by os._exit, or closed the descriptor on which a "
    "result is given."
)


class PythonScriptRunner:
    """Runs Python actions: one process each, for the price of a fork."""

    names: tuple[str, ...] = ("python-script",)
    inline = False

    def __init__(self, options: RunnerOptions, pool: SandboxPool, services: Services) -> None:
        self._options = options
        self._pool = pool
        self._services = services

    def run(self, job: Job, console: Console, stop: Stop) -> Outcome:
        """See ``base.Runner.run``; the result is ``{result, exit_code, stdout, stderr[, error]}``."""
        if job.runner_parameters.get("content_version"):
            return _failed("content_version is not supported: a run takes the pack as it is installed.")
        file, _, entry = job.action.entry_point.partition(":")
        path = Path(job.pack_path, "actions", file)
        if not file or not path.is_file():
            return _failed(f"The entry point of {job.action.ref} does not exist: expected a file at {path}.")
        limits = self._options.limits_of(job.action.limits)
        work = Assignment(
            python=job.python,
            pack=job.action.pack if job.preload else SHARED,
            file=str(path) if job.preload else "",
            pack_path=job.pack_path,
            describe=lambda base: self._describe(job, str(path), entry, limits, base),
            keep_workdir=job.keep_workdir,
            processes=int(limits.get("processes", 0)),
            timeout=job.timeout,
            grace_seconds=self._options.grace_seconds,
            output_bytes=int(limits.get("output_bytes", self._options.output_bytes)),
            result_bytes=self._options.result_bytes,
            answer=lambda request: self._answer(job, request),
        )
        try:
            ended = process.run(self._pool, work, console, stop)
        except (OSError, SandboxGone) as error:
            return _failed(f"The interpreter {job.python or 'of the platform'} cannot be used: {error}.")
        return self._outcome(ended, job, limits)

    def close(self) -> None:
        """Nothing is held: the pool is its owner's."""

    def _describe(
        self, job: Job, file: str, entry: str, limits: Mapping[str, float], base: Mapping[str, str]
    ) -> Mapping[str, Any]:
        execution = job.execution
        return {
            "kind": "python",
            "env": job_environment(job, base, python=True),
            "cwd": "",
            "limits": limits,
            "result_bytes": self._options.result_bytes,
            "job": {
                "file": file,
                "entry": entry,
                "parameters": job.parameters,
                "config": job.config,
                "pack": job.action.pack,
                "pack_path": job.pack_path,
                "action": job.action.ref,
                "user": execution.user,
                "log_level": job.runner_parameters.get("log_level") or "DEBUG",
                "execution": {
                    "id": execution.id,
                    "parent_id": execution.parent_id,
                    "root_id": execution.root_id,
                    "context": execution.context,
                },
            },
        }

    def _answer(self, job: Job, request: Mapping[str, Any]) -> Mapping[str, Any]:
        method = str(request["method"])
        try:
            found = self._services.call(job, method, request.get("arguments") or {})
        except StOpsError as error:
            return {"reply": request.get("id"), "error": str(error)}
        except Exception:
            # The edge between a job and the platform: a fault of ours must fail the call, not the worker.
            log.exception("The call %s of a job failed.", method)
            return {
                "reply": request.get("id"),
                "error": f"The platform failed to answer {method}; its log says why.",
            }
        return {"reply": request.get("id"), "result": found}

    def _outcome(self, ended: Ended, job: Job, limits: Mapping[str, float]) -> Outcome:
        said = ended.message if ended.message and ended.message.get("type") == "result" else None
        status, error = Status.FAILED, ""
        if ended.stopped == "timeout":
            status, error = Status.TIMEOUT, timeout_text(job.timeout)
        elif ended.stopped:
            status, error = Status.CANCELED, f"It was stopped: {ended.stopped}."
        elif ended.lost and not (said and "status" in said):
            error = f"The sandbox of pack {job.action.pack} was lost while the action ran: {ended.lost}."
        elif said and "result_too_large" in said:
            error = (
                f"The result has {said['result_too_large']} bytes; at most {self._options.result_bytes} are taken. "
                "Write it to a file and return its path."
            )
        elif said and (ended.exit_code == 0 or ended.lost):
            # What it was to do was done when it gave its result, whatever became of its sandbox then.
            status = Status.SUCCEEDED if said["status"] == "succeeded" else Status.FAILED
        elif (ended.message or {}).get("type") == "babble":
            error = "What the action's process said on its channel is no message."
        elif ended.exit_code == 0:
            error = _NOTHING_SAID
        else:
            raised = sentence(str((said or {}).get("error") or ""))
            error = process.exceeded(raised, limits) or raised or process.describe_end(ended, limits)
        result = {
            "result": NO_RESULT if said is None or said.get("result_too_large") else said.get("result"),
            "exit_code": _TIMED_OUT if status is Status.TIMEOUT else ended.exit_code,
            "stdout": ended.stdout,
            "stderr": ended.stderr,
        }
        if error:
            result["error"] = error
        lost = bool(ended.lost) and status is Status.FAILED and "status" not in (said or {})
        return Outcome(status=status, result=result, reason=error, lost=lost)


_TIMED_OUT = -9


def _failed(reason: str) -> Outcome:
    result = {"result": NO_RESULT, "exit_code": -1, "stdout": "", "stderr": "", "error": reason}
    return Outcome(status=Status.FAILED, result=result, reason=reason)
