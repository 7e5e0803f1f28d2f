"""container: a command in a container of its own, through docker or podman. st_ops' own runner type.

The engine's client runs in the sandbox as any program does, so that streaming, the cap on output, cancel and
timeout are those of local commands. The client passes SIGTERM on; a container that goes on all the same, or whose
client was killed, is killed with its removal, which follows every run however it ended.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.runners import process
from st_ops.runners.base import Console, Job, Stop
from st_ops.runners.container_command import EXECUTION_LABEL, ContainerCommand, container_command
from st_ops.runners.container_engine import HOST_LABEL, WORKER_LABEL, Engine, NoEngine
from st_ops.runners.environment import MARK, clean_environment, job_environment
from st_ops.runners.options import RunnerOptions
from st_ops.runners.process import Assignment, Ended
from st_ops.runners.sandbox.pool import PROGRAMS, SandboxPool
from st_ops.runners.shell import failed, parsed, timeout_text
from st_ops.runners.strays import host_name, own_folder, worker_mark

log = logging.getLogger(__name__)

#: Exit codes of the client (docker run): the engine failed; the command cannot be run; there is no such command.
_ENGINE_FAILED, _CANNOT_RUN, _NOT_FOUND = 125, 126, 127
_KILLED = 137

#: What an engine's own complaints begin with, in the client's stderr.
_COMPLAINTS = ("docker: ", "podman: ", "Error: ", "Error response", "error during connect", "Cannot connect")

_TIMED_OUT = -9

#: Where a container that asks for it finds the run's artifact folder.
_ARTIFACTS = "/st-ops/artifacts"


class ContainerRunner:
    """Runs containers."""

    names: tuple[str, ...] = ("container",)
    inline = False

    def __init__(self, options: RunnerOptions, pool: SandboxPool) -> None:
        self._options = options
        self._pool = pool
        self._mark = worker_mark()
        self._sweeping: threading.Thread | None = None

    def sweep(self) -> None:
        """Begin to remove the containers that workers of this host that are gone have left."""
        self._sweeping = threading.Thread(target=self._sweep, name="container-sweep", daemon=True)
        self._sweeping.start()

    def run(self, job: Job, console: Console, stop: Stop) -> Outcome:
        """See ``base.Runner.run``; the result is ``{failed, succeeded, return_code, stdout, stderr[, error]}``."""
        name = f"st-ops-{job.execution.id}-{os.urandom(3).hex()}"
        limits = self._options.limits_of(job.action.limits)
        try:
            engine = Engine.find(self._options, clean_environment(self._options, self._mark))
            with self._variables_file() as path:
                command = self._command(job, engine, name, limits, path)
                path.write_text(command.env_file)
                return self._run(job, engine, name, command, console, stop)
        except (NoEngine, ValueError) as error:
            return failed(str(error))

    def close(self) -> None:
        """Wait for the sweep. Idempotent."""
        if self._sweeping is not None:
            self._sweeping.join()

    def _run(
        self, job: Job, engine: Engine, name: str, command: ContainerCommand, console: Console, stop: Stop
    ) -> Outcome:
        limits = self._options.limits_of(job.action.limits)
        work = Assignment(
            pack=PROGRAMS,
            describe=lambda base: {
                "kind": "exec",
                "argv": command.argv,
                # The job's own variables are the container's, not the client's.
                "env": {
                    **engine.environment,
                    **command.passed,
                    "ST_OPS_EXECUTION_ID": job.execution.id,
                    MARK: base[MARK],
                },
                "stdin": command.stdin,
            },
            timeout=job.timeout,
            grace_seconds=self._options.grace_seconds,
            output_bytes=int(limits.get("output_bytes", self._options.output_bytes)),
        )
        ended, left = None, ""
        try:
            ended = process.run(self._pool, work, console, stop)
            no_memory = ended.exit_code == _KILLED and engine.ran_out_of_memory(name)
        finally:
            left = engine.remove(name)
        return _outcome(ended, engine.name, job.timeout, limits if no_memory else {}, left)

    def _command(
        self, job: Job, engine: Engine, name: str, limits: Mapping[str, float], path: Path
    ) -> ContainerCommand:
        environment = job_environment(job, {MARK: self._mark})
        del environment[MARK]
        environment.pop("ST_OPS_ARTIFACTS", None)
        given = dict(job.runner_parameters)
        if given.get("artifacts") and job.artifacts:
            given["mounts"] = [*(given.get("mounts") or []), f"{job.artifacts}:{_ARTIFACTS}"]
            environment["ST_OPS_ARTIFACTS"] = _ARTIFACTS
        return container_command(
            engine.client,
            name,
            given,
            labels={EXECUTION_LABEL: job.execution.id, HOST_LABEL: host_name(), WORKER_LABEL: self._mark},
            environment=environment,
            limits=limits,
            env_path=str(path),
            secrets=list(_secrets(job)),
        )

    @contextlib.contextmanager
    def _variables_file(self) -> Iterator[Path]:
        """An empty file that nobody else may read, gone afterwards."""
        folder = own_folder("container")
        try:
            path = Path(folder, "env")
            path.touch(mode=0o600)
            yield path
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _sweep(self) -> None:
        try:
            Engine.find(self._options, clean_environment(self._options, self._mark)).sweep()
        except NoEngine:
            log.debug("No container engine: there is nothing to sweep.")


def _secrets(job: Job) -> Iterator[str]:
    """The values of the action's secret parameters that are text."""
    for name, schema in job.action.parameters.items():
        value = job.parameters.get(name, job.runner_parameters.get(name))
        if schema.get("secret") and isinstance(value, str):
            yield value


def _outcome(
    ended: Ended, engine: str, timeout: float | None, exceeded: Mapping[str, float], left: str
) -> Outcome:
    code, status, error = ended.exit_code, Status.FAILED, ""
    if ended.stopped == "timeout":
        code, status, error = _TIMED_OUT, Status.TIMEOUT, timeout_text(timeout)
    elif ended.stopped:
        status, error = Status.CANCELED, f"It was stopped: {ended.stopped}."
    elif ended.lost:
        error = f"The process that watched over the run was lost: {ended.lost}."
    elif code == 0:
        status = Status.SUCCEEDED
    elif exceeded:
        error = (
            f"It was killed: it used more than its {exceeded['memory_mb']:g} MB of memory (limits.memory_mb)."
        )
    elif code in (_ENGINE_FAILED, _CANNOT_RUN, _NOT_FOUND) and (said := _complaint(ended.stderr)):
        # Then there is no container to remove, or the engine says why it cannot in the same words.
        error, left = f"{engine} could not run it: {said}", ""
    elif code < 0 or ended.message:
        error = process.describe_end(ended, {})
    result: dict[str, Any] = {
        "failed": code != 0,
        "succeeded": code == 0,
        "return_code": code,
        "stdout": parsed(ended.stdout),
        "stderr": parsed(ended.stderr),
    }
    reason = " ".join(filter(None, (error or process.describe_end(ended, {}), left)))
    if error or left:
        result["error"] = reason
    return Outcome(status=status, result=result, reason=reason, lost=bool(ended.lost) and not ended.stopped)


def _complaint(stderr: str) -> str:
    """The line in which the client says what the engine would not do; "" when the command itself ended so."""
    lines = [line.strip() for line in stderr.splitlines()]
    found = next((line for line in lines if line.startswith(_COMPLAINTS)), "")
    return found.removeprefix("docker: ").removeprefix("podman: ").removeprefix("Error: ")
