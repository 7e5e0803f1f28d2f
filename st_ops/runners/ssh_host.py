"""One command on one host: upload, start, stream, and the end of it, wanted or not."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from st_ops.runners.base import Console
from st_ops.runners.output import Budget, Output
from st_ops.runners.shell import parsed, timeout_text
from st_ops.runners.ssh_command import RemoteCommand, remote_command
from st_ops.runners.ssh_connections import Connections, SshFault, Target
from st_ops.runners.ssh_loop import OutOfTime, Stopped, until

log = logging.getLogger(__name__)

_CHUNK = 65536

#: StackStorm's codes for a host that could not be used, and for one whose time ran out.
_NO_HOST = 255
_TIMED_OUT = -9


@dataclass(frozen=True)
class Upload:
    """A script of the pack, and the folder on the host under which a folder of its own is made for it."""

    path: Path
    folder: str


@dataclass(kw_only=True)
class HostRun:
    """A run on one host. ``run`` is called once."""

    name: str
    target: Target
    connections: Connections
    console: Console
    execution_id: str
    grace_seconds: float
    output_bytes: int

    def __post_init__(self) -> None:
        budget = Budget(self.output_bytes)
        self._stdout = Output(self.console, "stdout", budget, f"[{self.name}] ")
        self._stderr = Output(self.console, "stderr", budget, f"[{self.name}] ")
        self._pid = 0
        self._mark = f"ST_OPS_{self.execution_id}_{os.urandom(4).hex()}"

    async def run(
        self,
        script: str,
        *,
        upload: Upload | None,
        cwd: str,
        environment: Mapping[str, str],
        sudo: bool,
        password: str,
        timeout: float | None,  # noqa: ASYNC109 - what ends the command needs the time, not only the wait for it
        stop: asyncio.Event,
    ) -> dict[str, Any]:
        """Run ``script``, or ``upload`` with ``script`` as its arguments; the host's part of the result."""
        work = self._attempt(script, upload, cwd, environment, sudo, password)
        try:
            # _attempt sees its cancellation and ends the command over there before it gives up.
            patience = 3 * self.grace_seconds + 5
            return self._result(await until(work, timeout=timeout, stop=stop, patience=patience))
        except Stopped:
            return self._fault("The run was stopped.", -15)
        except OutOfTime:
            return self._fault(timeout_text(timeout), _TIMED_OUT, timed_out=True)
        except SshFault as fault:
            return self._fault(str(fault), _NO_HOST)
        except (asyncssh.Error, OSError) as error:
            text = getattr(error, "reason", "") or str(error)
            return self._fault(f"The connection to {self.target} failed: {text}", _NO_HOST)

    async def _attempt(
        self,
        script: str,
        upload: Upload | None,
        cwd: str,
        environment: Mapping[str, str],
        sudo: bool,
        password: str,
    ) -> int | None:
        """The exit code; None when the connection broke. A reused connection that is dead is made anew, once."""
        for last in (False, True):
            async with (
                self.connections.use(self.target) as connection,
                contextlib.AsyncExitStack() as cleanup,
            ):
                try:
                    if upload is not None:
                        path = await self._upload(connection, upload, cleanup)
                        script = f"{shlex.quote(path)} {script}"
                    command = remote_command(
                        script,
                        mark=self._mark,
                        cwd=cwd,
                        environment=environment,
                        sudo=sudo,
                        password=password,
                    )
                    process = await connection.create_process(
                        command.line, encoding=None, stdin=asyncssh.PIPE
                    )
                except (asyncssh.ConnectionLost, asyncssh.ChannelOpenError, BrokenPipeError) as error:
                    self.connections.forget(self.target, connection)
                    if last:
                        raise SshFault(f"{self.target} closed the connection: {error}.") from error
                    continue
                return await self._follow(connection, process, command)
        raise AssertionError("the second attempt returns or raises")

    async def _follow(
        self,
        connection: asyncssh.SSHClientConnection,
        process: asyncssh.SSHClientProcess[bytes],
        command: RemoteCommand,
    ) -> int | None:
        readers = asyncio.gather(self._read(process.stdout, self._stdout), self._read_stderr(process.stderr))
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionError):  # it ended without reading its stdin
                process.stdin.write(command.stdin.encode())
                process.stdin.write_eof()
            await readers
            await process.wait_closed()
        except (asyncssh.ConnectionLost, ConnectionError):
            return None
        except asyncio.CancelledError:
            await self._kill(connection, process, command)
            readers.cancel()
            raise
        if process.returncode is not None:
            return process.returncode
        return None

    async def _read(self, source: asyncssh.SSHReader[bytes], output: Output) -> None:
        while data := await source.read(_CHUNK):
            output.feed(data)

    async def _read_stderr(self, source: asyncssh.SSHReader[bytes]) -> None:
        """stderr, whose line with our mark tells the process number and is not shown."""
        mark = self._mark.encode() + b" "
        head = b""
        while data := await source.read(_CHUNK):
            if self._pid:
                self._stderr.feed(data)
                continue
            head += data
            before, found, after = head.partition(mark)
            number, ended, rest = after.partition(b"\n")
            if found and ended:
                self._pid = int(number)
                self._stderr.feed(before + rest)
                head = b""
        self._stderr.feed(head)

    async def _kill(
        self,
        connection: asyncssh.SSHClientConnection,
        process: asyncssh.SSHClientProcess[bytes],
        command: RemoteCommand,
    ) -> None:
        """SIGTERM to the command's process group, SIGKILL after the grace period, as far as the host permits."""
        for name in ("TERM", "KILL"):
            with contextlib.suppress(
                asyncssh.Error, OSError
            ):  # a connection that is gone has ended the session
                process.send_signal(name)
                if self._pid:
                    await asyncio.wait_for(
                        connection.run(command.kill_line(self._pid, name), input=command.secret, check=False),
                        self.grace_seconds + 1,
                    )
            with contextlib.suppress(asyncio.TimeoutError, asyncssh.Error, OSError):
                await asyncio.wait_for(process.wait_closed(), self.grace_seconds)
                return
        process.close()

    async def _upload(
        self, connection: asyncssh.SSHClientConnection, upload: Upload, cleanup: contextlib.AsyncExitStack
    ) -> str:
        """Copy the script, and the ``lib`` folder beside it, to a folder of their own; the script's path there."""
        folder = f"{upload.folder.rstrip('/')}/{self._mark}"
        path = f"{folder}/{upload.path.name}"
        library = upload.path.parent / "lib"
        try:
            async with connection.start_sftp_client() as sftp:
                await sftp.mkdir(folder, asyncssh.SFTPAttrs(permissions=0o700))
                cleanup.push_async_callback(self._remove, connection, folder)
                await sftp.put(str(upload.path), path)
                await sftp.chmod(path, 0o700)
                if library.is_dir():
                    await sftp.put(str(library), f"{folder}/lib", recurse=True)
        except asyncssh.SFTPError as error:
            raise SshFault(
                f"The script cannot be copied to {folder} on {self.target}: {error.reason}. Check the parameter 'dir'."
            ) from error
        return path

    async def _remove(self, connection: asyncssh.SSHClientConnection, folder: str) -> None:
        try:
            await asyncio.wait_for(connection.run(f"rm -rf {shlex.quote(folder)}", check=True), 10)
        except (TimeoutError, asyncssh.Error, OSError) as error:
            log.warning("%s was left behind on %s: %s", folder, self.target, error)

    def _result(self, code: int | None) -> dict[str, Any]:
        if code is None:
            text = f"The connection to {self.target} broke while the command ran; how it ended is not known."
            return self._fault(text, _NO_HOST)
        return {**self._printed(), "succeeded": code == 0, "failed": code != 0, "return_code": code}

    def _fault(self, error: str, code: int, *, timed_out: bool = False) -> dict[str, Any]:
        return {
            **self._printed(),
            "succeeded": False,
            "failed": True,
            "return_code": code,
            "timeout": timed_out,
            "error": error,
        }

    def _printed(self) -> dict[str, Any]:
        self._stdout.close()
        self._stderr.close()
        return {"stdout": parsed(self._stdout.text), "stderr": parsed(self._stderr.text)}
