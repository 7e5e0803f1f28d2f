"""remote-shell-cmd and remote-shell-script: commands and scripts on many hosts over SSH (StackStorm 1.3).

All runs of a worker share one event loop in one thread, and one connection for each host and credentials.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import re
import shlex
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.runners.arguments import script_arguments
from st_ops.runners.base import Console, Job, Stop
from st_ops.runners.options import RunnerOptions, SshOptions
from st_ops.runners.shell import script_path
from st_ops.runners.ssh_connections import Connections, Target
from st_ops.runners.ssh_host import HostRun, Upload

#: Seconds between two looks at which connections are idle.
_IDLE_LOOK = 15.0

#: Seconds that connections get to close.
_CLOSE_SECONDS = 5.0

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


class SshRunner:
    """Runs both remote runner types."""

    names: tuple[str, ...] = ("remote-shell-cmd", "remote-shell-script")
    inline = False

    def __init__(self, options: RunnerOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._connections = Connections(options.ssh)

    def run(self, job: Job, console: Console, stop: Stop) -> Outcome:
        """See ``base.Runner.run``; the result is host → ``{failed, succeeded, return_code, stdout, stderr}``.

        A host that failed to answer has ``error`` besides, and ``timeout``: whether its time ran out.
        """
        try:
            targets = _targets(job.runner_parameters, self._options.ssh)
            script, upload = _what(job)
        except ValueError as error:
            return Outcome(status=Status.FAILED, result={"error": str(error)}, reason=str(error))
        work = self._work(job, targets, script, upload, console, stop)
        results = asyncio.run_coroutine_threadsafe(work, self._started()).result()
        partial = job.runner_parameters.get("allow_partial_failure")
        return _outcome(
            results, stop, self._options.ssh.allow_partial_failure if partial is None else bool(partial)
        )

    def close(self) -> None:
        """Close all connections and end the thread. Idempotent."""
        with self._lock:
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None:
            return
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._connections.close(), loop).result(_CLOSE_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.call_later(_IDLE_LOOK, self._look_for_idle, self._loop)
                self._thread = threading.Thread(target=self._loop.run_forever, name="ssh", daemon=True)
                self._thread.start()
            return self._loop

    def _look_for_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        self._connections.close_idle()
        loop.call_later(_IDLE_LOOK, self._look_for_idle, loop)

    async def _work(
        self,
        job: Job,
        targets: Mapping[str, Target],
        script: str,
        upload: Upload | None,
        console: Console,
        stop: Stop,
    ) -> dict[str, dict[str, Any]]:
        loop = asyncio.get_running_loop()
        asked_to_stop = asyncio.Event()

        def ask_to_stop() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and every run with it
                loop.call_soon_threadsafe(asked_to_stop.set)

        stop.on_set(ask_to_stop)
        room = asyncio.Semaphore(self._options.ssh.parallel)
        given = job.runner_parameters
        environment = _environment(job)

        async def on(name: str, target: Target) -> dict[str, Any]:
            async with room:
                host = HostRun(
                    name=name,
                    target=target,
                    connections=self._connections,
                    console=console,
                    execution_id=job.execution.id,
                    grace_seconds=self._options.grace_seconds,
                    output_bytes=self._options.output_bytes,
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

        found = await asyncio.gather(*(on(name, target) for name, target in targets.items()))
        return dict(zip(targets, found, strict=True))


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


def _targets(given: Mapping[str, Any], options: SshOptions) -> dict[str, Target]:
    """Name in the result → target. Raises ValueError with a sentence."""
    hosts = given.get("hosts") or ""
    entries = [str(host).strip() for host in (hosts if isinstance(hosts, list) else hosts.split(","))]
    port = int(given.get("port") or 22)
    pairs = [_host_port(entry, port) for entry in entries if entry]
    if not pairs:
        raise ValueError(
            "The parameter 'hosts' names no host: expected host or host:port, separated by commas."
        )
    username = given.get("username") or options.user or getpass.getuser()
    verify = given.get("verify_host_key")
    shared: dict[str, Any] = {
        "username": username,
        "password": given.get("password") or "",
        "private_key": given.get("private_key") or "",
        "passphrase": given.get("passphrase") or "",
        "known_hosts": given.get("known_hosts") or options.known_hosts,
        "verify": options.check_host_keys if verify is None else bool(verify),
    }
    bastion = None
    if given.get("bastion_host"):
        host, number = _host_port(str(given["bastion_host"]), 22)
        bastion = Target(host=host, port=number, **shared)
    names = [host for host, _port in pairs]
    return {
        (host if names.count(host) == 1 else f"{host}:{number}"): Target(
            host=host,
            port=number,
            bastion=bastion,
            fingerprint=given.get("host_key_fingerprint") or "",
            **shared,
        )
        for host, number in pairs
    }


def _host_port(entry: str, port: int) -> tuple[str, int]:
    """``host``, ``host:port``, ``[v6]:port`` or a bare IPv6 address. Raises ValueError."""
    found = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?|([^:\s]+)(?::(\d+))?|([0-9A-Fa-f:.%]+)", entry)
    if found is None:
        raise ValueError(f"'{entry}' in 'hosts' is no host: expected host, host:port or [IPv6]:port.")
    bracketed, bracketed_port, plain, plain_port, v6 = found.groups()
    return bracketed or plain or v6, int(bracketed_port or plain_port or port)


def _outcome(results: Mapping[str, Mapping[str, Any]], stop: Stop, allow_partial_failure: bool) -> Outcome:
    """All hosts must succeed, or one when partial failure is allowed; timeout when every one ran out of time."""
    good = [result["succeeded"] for result in results.values()]
    bad = _names([name for name, result in results.items() if not result["succeeded"]])
    if stop.is_set() and not all(good):
        return Outcome(status=Status.CANCELED, result=dict(results), reason=f"It was stopped: {stop.reason}.")
    if all(good) or (allow_partial_failure and any(good)):
        reason = "" if all(good) else f"It failed on {bad}, which allow_partial_failure permits."
        return Outcome(status=Status.SUCCEEDED, result=dict(results), reason=reason)
    if all(result.get("timeout") for result in results.values()):
        return Outcome(status=Status.TIMEOUT, result=dict(results), reason=f"It ran out of time on {bad}.")
    first = next(result for result in results.values() if not result["succeeded"])
    detail = first.get("error") or f"exit code {first['return_code']}"
    return Outcome(status=Status.FAILED, result=dict(results), reason=f"It failed on {bad}: {detail}")


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
