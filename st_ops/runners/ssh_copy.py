"""remote-upload and remote-download: files to and from many hosts over SFTP. st_ops' own runner types."""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.runners.base import Console, Job, Stop
from st_ops.runners.options import RunnerOptions
from st_ops.runners.shell import timeout_text
from st_ops.runners.ssh_connections import SshFault, Target
from st_ops.runners.ssh_files import Copied, RemoteFiles, local_files
from st_ops.runners.ssh_loop import OutOfTime, SshLoop, Stopped, outcome_of, until
from st_ops.runners.ssh_targets import targets

_MB = 1024 * 1024

#: Files that a host's result lists; of more it tells the number.
_LISTED = 200

#: Seconds a stopped copy gets to take away what it began.
_PATIENCE = 5.0

#: Copies the files of one host, telling each as it is done.
Copy = Callable[[RemoteFiles, Callable[[Copied], None]], Awaitable[None]]


class SshCopyRunner:
    """Runs both."""

    names: tuple[str, ...] = ("remote-upload", "remote-download")
    inline = False

    def __init__(self, options: RunnerOptions, loop: SshLoop) -> None:
        self._options = options
        self._loop = loop

    def run(self, job: Job, console: Console, stop: Stop) -> Outcome:
        """See ``base.Runner.run``; the result is host → ``{succeeded, failed, changed, bytes, files[, error]}``.

        ``files`` are ``{path, bytes, sha256, changed}``, the path being where the file is now.
        """
        given = job.runner_parameters
        try:
            hosts = targets(given, self._options.ssh)
            plan = self._plan(job, list(hosts))
        except ValueError as error:
            return Outcome(status=Status.FAILED, result={"error": str(error)}, reason=str(error))

        async def work(name: str, target: Target, asked_to_stop: asyncio.Event) -> dict[str, Any]:
            copying = _HostCopy(name, target, self._loop, console, job.execution.id)
            return await copying.run(plan(name), job.timeout, asked_to_stop)

        results = self._loop.on_each(hosts, stop, work)
        partial = given.get("allow_partial_failure")
        default = self._options.ssh.allow_partial_failure
        return outcome_of(results, stop, allow_partial_failure=default if partial is None else bool(partial))

    def close(self) -> None:
        """Nothing is held: the loop is its owner's."""

    def _plan(self, job: Job, names: list[str]) -> Callable[[str], Copy]:
        """Host's name → what to copy there or from there. Raises ValueError with a sentence."""
        if job.action.runner_type == "remote-upload":
            copy = _upload(job)
            return lambda _name: copy
        limit = int(self._options.limits_of(job.action.limits).get("file_mb", 0) * _MB)
        return _download(job, names, limit)


def _upload(job: Job) -> Copy:
    given = job.runner_parameters
    target, source, content = given.get("target"), given.get("source"), given.get("content")
    if not target:
        raise ValueError("The parameter 'target' is missing: the path on the hosts.")
    if bool(source) == (content is not None):
        raise ValueError("Give either 'source', a path on the worker, or 'content', the text of the file.")
    mode = _octal(given.get("mode"))
    folders = bool(given.get("make_folders"))
    sources: Mapping[str, Path | bytes] = (
        local_files(Path(job.pack_path, str(source))) if source else {"": str(content).encode()}
    )

    async def copy(files: RemoteFiles, tell: Callable[[Copied], None]) -> None:
        for inner, one in sources.items():
            path = posixpath.join(target, inner) if inner else target
            tell(await files.put(one, path, mode=mode, folders=folders or bool(inner)))

    return copy


def _download(job: Job, names: list[str], most_bytes: int) -> Callable[[str], Copy]:
    given = job.runner_parameters
    source, target = given.get("source"), given.get("target") or ""
    if not source:
        raise ValueError("The parameter 'source' is missing: the path on the hosts.")
    if not job.artifacts and not Path(target).is_absolute():
        raise ValueError("The parameter 'target' must be an absolute path on the worker.")
    base = Path(job.artifacts, target)
    # Several hosts have files of the same name.
    apart = len(names) > 1

    def of(name: str) -> Copy:
        place = base / name.replace("/", "_") if apart else base
        into = apart or not target or target.endswith("/") or base.is_dir()

        async def copy(files: RemoteFiles, tell: Callable[[Copied], None]) -> None:
            for inner in await files.below(source):
                if inner:
                    tell(
                        await files.fetch(posixpath.join(source, inner), place / inner, most_bytes=most_bytes)
                    )
                else:
                    file = place / posixpath.basename(source) if into else place
                    tell(await files.fetch(source, file, most_bytes=most_bytes))

        return copy

    return of


@dataclass(frozen=True)
class _HostCopy:
    """The copying to or from one host."""

    name: str
    target: Target
    loop: SshLoop
    console: Console
    execution_id: str

    async def run(self, copy: Copy, timeout: float | None, stop: asyncio.Event) -> dict[str, Any]:  # noqa: ASYNC109 - see ssh_loop.until
        done: list[Copied] = []

        def tell(one: Copied) -> None:
            done.append(one)
            state = f"{one.size} bytes" if one.changed else "unchanged"
            self.console.write("stdout", f"[{self.name}] {one.path}: {state}\n")

        try:
            await until(self._with_files(copy, tell), timeout=timeout, stop=stop, patience=_PATIENCE)
        except Stopped:
            return _result(done, "The run was stopped.")
        except OutOfTime:
            return {**_result(done, timeout_text(timeout)), "timeout": True}
        except SshFault as fault:
            return _result(done, str(fault))
        except asyncssh.Error as error:
            return _result(done, f"The connection to {self.target} failed: {error.reason or error}")
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            return _result(done, f"{where}{error.strerror or error} (on the worker).")
        return _result(done, "")

    async def _with_files(self, copy: Copy, tell: Callable[[Copied], None]) -> None:
        mark = f"st_ops-{self.execution_id}-{os.urandom(3).hex()}"
        async with (
            self.loop.connections.use(self.target) as connection,
            RemoteFiles.over(connection, self.target, mark) as files,
        ):
            await copy(files, tell)


def _result(done: list[Copied], error: str) -> dict[str, Any]:
    files = [
        {"path": one.path, "bytes": one.size, "sha256": one.sha256, "changed": one.changed}
        for one in done[:_LISTED]
    ]
    result: dict[str, Any] = {
        "succeeded": not error,
        "failed": bool(error),
        "changed": any(one.changed for one in done),
        "bytes": sum(one.size for one in done),
        "files": files,
    }
    if len(done) > _LISTED:
        result["files_not_listed"] = len(done) - _LISTED
    return {**result, "error": error} if error else result


def _octal(mode: Any) -> int | None:
    if mode in (None, ""):
        return None
    try:
        found = int(str(mode), 8)
    except ValueError:
        found = -1
    if not 0 <= found <= 0o7777:
        raise ValueError(f"'mode' must be an octal number such as '0644', not '{mode}'.")
    return found
