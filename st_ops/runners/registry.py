"""All runners of one worker, by the runner type they serve."""

from __future__ import annotations

from st_ops.errors import NotFound
from st_ops.model.runner_types import resolve
from st_ops.runners.announcement import AnnouncementRunner
from st_ops.runners.base import Runner, Services
from st_ops.runners.container import ContainerRunner
from st_ops.runners.http_request import HttpRunner
from st_ops.runners.inquirer import InquirerRunner
from st_ops.runners.noop import NoopRunner
from st_ops.runners.options import RunnerOptions
from st_ops.runners.python_script import PythonScriptRunner
from st_ops.runners.sandbox.pool import SandboxPool
from st_ops.runners.shell import LocalShellRunner
from st_ops.runners.ssh import SshRunner
from st_ops.runners.ssh_copy import SshCopyRunner
from st_ops.runners.ssh_loop import SshLoop
from st_ops.runners.strays import end_strays, remove_stray_folders
from st_ops.runners.winrm import WinRmRunner


class Runners:
    """Builds the runners and owns what they share. Workflows (action-chain, orquesta) are conducted, not run."""

    def __init__(self, options: RunnerOptions, services: Services) -> None:
        # What a worker that was killed together with its sandboxes left running must not go on beside us.
        end_strays()
        remove_stray_folders()
        self._pool = SandboxPool(options)
        self._ssh = SshLoop(options.ssh)
        containers = ContainerRunner(options, self._pool)
        containers.sweep()
        self._all: tuple[Runner, ...] = (
            NoopRunner(),
            InquirerRunner(),
            AnnouncementRunner(services),
            LocalShellRunner(options, self._pool),
            PythonScriptRunner(options, self._pool, services),
            HttpRunner(options),
            SshRunner(options, self._ssh),
            SshCopyRunner(options, self._ssh),
            WinRmRunner(options),
            containers,
        )
        self._by_name = {name: runner for runner in self._all for name in runner.names}
        self.inline = frozenset(name for name, runner in self._by_name.items() if runner.inline)

    def for_type(self, name: str) -> Runner:
        """The runner for the runner type ``name``, which may be an alias. Raises NotFound with a sentence."""
        runner_type = resolve(name)
        try:
            return self._by_name[runner_type.name]
        except KeyError:
            raise NotFound("runner", name, "Workflows are conducted by the workflow engine.") from None

    def close(self) -> None:
        """End every job and give back what is held. Idempotent."""
        for runner in self._all:
            runner.close()
        self._ssh.close()
        self._pool.close()
