"""The container engine of this host, asked through its client: docker or podman."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from st_ops.logs import facts
from st_ops.runners.options import RunnerOptions
from st_ops.runners.strays import host_name, worker_is_gone

log = logging.getLogger(__name__)

#: Those looked for, in this order, when the settings name none.
_CLIENTS = ("docker", "podman")

#: Seconds an engine may take to answer a small question, and to kill and remove a container.
_ANSWER_SECONDS = 10.0
_REMOVE_SECONDS = 30.0

#: Labels that tell whose container it is: the host (an engine may serve several), and the worker's mark.
HOST_LABEL = "st_ops.host"
WORKER_LABEL = "st_ops.worker"

#: What a client needs to know of the platform's environment besides what every child sees.
_VARIABLES = (
    "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "CONTAINER_HOST",
    "CONTAINER_CONNECTION", "CONTAINER_SSHKEY", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME",
    "XDG_DATA_HOME", "SSH_AUTH_SOCK",
)  # fmt: skip


class NoEngine(Exception):
    """Raised when this host has no container engine; the text is a sentence that says what to do."""


@dataclass(frozen=True)
class Engine:
    """``client`` is the absolute path of the program, ``environment`` what it is started with."""

    client: str
    environment: Mapping[str, str]

    @classmethod
    def find(cls, options: RunnerOptions, environment: Mapping[str, str]) -> Engine:
        """The engine that the settings name, or else the first there is. Raises NoEngine."""
        wanted = [options.container_engine] if options.container_engine else list(_CLIENTS)
        path = environment.get("PATH")
        found = next((client for name in wanted if (client := shutil.which(name, path=path))), None)
        if found is None:
            raise NoEngine(_no_engine(options.container_engine))
        own = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        return cls(found, {**environment, **own})

    @property
    def name(self) -> str:
        """``docker``, ``podman`` or whatever the client is called."""
        return Path(self.client).name

    def remove(self, container: str) -> str:
        """Kill and remove ``container`` and its anonymous volumes; why it could not be done, or ""."""
        code, _out, error = self._ask(["rm", "--force", "--volumes", container], _REMOVE_SECONDS)
        if code == 0 or "no such container" in error.lower() or "no container with" in error.lower():
            return ""
        log.warning("The container %s could not be removed: %s", container, error)
        return f"The container {container} could not be removed: {error}"

    def ran_out_of_memory(self, container: str) -> bool:
        """Whether the kernel ended ``container`` for going over its memory limit."""
        _code, out, _error = self._ask(["inspect", "--format", "{{.State.OOMKilled}}", container])
        return out.strip() == "true"

    def sweep(self) -> int:
        """Remove the containers of workers of this host that are gone; how many there were."""
        code, out, error = self._ask(
            ["ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={HOST_LABEL}={host_name()}"]
        )
        if code != 0:
            log.info("Containers of earlier workers could not be looked for: %s", error)
            return 0
        strays = [container for container in out.split() if self._is_stray(container)]
        for container in strays:
            log.warning("A container of a worker that is gone is removed.", extra=facts(container=container))
            self.remove(container)
        return len(strays)

    def _is_stray(self, container: str) -> bool:
        label = '{{index .Config.Labels "' + WORKER_LABEL + '"}}'
        _code, out, _error = self._ask(["inspect", "--format", label, container])
        return bool(out.strip()) and worker_is_gone(out.strip())

    def _ask(self, arguments: Sequence[str], seconds: float = _ANSWER_SECONDS) -> tuple[int, str, str]:
        """Exit code, stdout, and the first line of stderr or what else was wrong."""
        try:
            done = subprocess.run(
                [self.client, *arguments],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return -1, "", f"{self.name} did not answer within {seconds:g} seconds."
        except OSError as error:
            return -1, "", f"{self.client} cannot be run: {error.strerror}."
        return done.returncode, done.stdout, next(iter(done.stderr.strip().splitlines()), "")


def _no_engine(wanted: str) -> str:
    if wanted:
        return f"The container engine '{wanted}' (setting containers.engine) is not on this host."
    return (
        "There is no container engine on this host: neither docker nor podman is on the PATH of the worker. "
        "Install one, name it in the setting containers.engine, or give the action a queue whose workers have one."
    )
