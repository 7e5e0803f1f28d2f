"""remote-shell-cmd and remote-shell-script: commands and scripts on many hosts over SSH (StackStorm 1.3)."""

from __future__ import annotations

import asyncio
import re
import shlex
from typing import Any

from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.runners.arguments import script_arguments
from st_ops.runners.base import Console, Job, Stop
from st_ops.runners.options import RunnerOptions
from st_ops.runners.shell import script_path
from st_ops.runners.ssh_connections import Target
from st_ops.runners.ssh_host import HostRun, Upload
from st_ops.runners.ssh_loop import SshLoop, outcome_of
from st_ops.runners.ssh_targets import targets

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


class SshRunner:
    """Runs both remote runner types."""

    names: tuple[str, ...] = ("remote-shell-cmd", "remote-shell-script")
    inline = False

    def __init__(self, options: RunnerOptions, loop: SshLoop) -> None:
        self._options = options
        self._loop = loop

    def run(self, job: Job, console: Console, stop: Stop) -> Outcome:
        """See ``base.Runner.run``; the result is host → ``{failed, succeeded, return_code, stdout, stderr}``.

        A host that failed to answer has ``error`` besides, and ``timeout``: whether its time ran out.
        """
        given = job.runner_parameters
        try:
            hosts = targets(given, self._options.ssh)
            script, upload = _what(job)
        except ValueError as error:
            return Outcome(status=Status.FAILED, result={"error": str(error)}, reason=str(error))
        limits = self._options.limits_of(job.action.limits)
        environment = _environment(job)

        async def work(name: str, target: Target, asked_to_stop: asyncio.Event) -> dict[str, Any]:
            host = HostRun(
                name=name,
                target=target,
                connections=self._loop.connections,
                console=console,
                execution_id=job.execution.id,
                grace_seconds=self._options.grace_seconds,
                output_bytes=int(limits.get("output_bytes", self._options.output_bytes)),
            )
            return await host.run(
                script,
                upload=upload,
                cwd=given.get("cwd") or "",
                environment=environment,
                sudo=bool(given.get("sudo")),
                password=given.get("sudo_password") or "",
                timeout=job.timeout,
                stop=asked_to_stop,
            )

        results = self._loop.on_each(hosts, stop, work)
        partial = given.get("allow_partial_failure")
        default = self._options.ssh.allow_partial_failure
        return outcome_of(results, stop, allow_partial_failure=default if partial is None else bool(partial))

    def close(self) -> None:
        """Nothing is held: the loop is its owner's."""


def _environment(job: Job) -> dict[str, str]:
    own = {str(k): str(v) for k, v in (job.runner_parameters.get("env") or {}).items() if v is not None}
    return {name: value for name, value in {**own, **job.environment}.items() if _NAME.match(name)}


def _what(job: Job) -> tuple[str, Upload | None]:
    """The shell text to run, and the script it needs there. Raises ValueError with a sentence."""
    given = job.runner_parameters
    if job.action.runner_type in ("remote-shell-script", "run-remote-script"):
        arguments = script_arguments(job.action, job.parameters, given.get("kwarg_op") or "--")
        return shlex.join(arguments), Upload(script_path(job), given.get("dir") or "/tmp")  # noqa: S108 - StackStorm's default
    if not given.get("cmd"):
        raise ValueError("The parameter 'cmd' is missing: there is no command to run.")
    return str(given["cmd"]), None
