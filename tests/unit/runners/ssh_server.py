"""An SSH server in this process that runs what it is asked to in real shells, as sshd does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncssh

PASSWORD = "open sesame"


class _Door(asyncssh.SSHServer):
    def __init__(self, machine: SshMachine) -> None:
        self._machine = machine

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._machine.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == PASSWORD

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        self._machine.forwarded.append(dest_port)
        return True


class SshMachine:
    """Listens on loopback. ``port``, ``host_key`` and ``connections`` are what tests look at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.forwarded: list[int] = []
        self.asked: list[str] = []
        self.port = 0
        self._groups: list[int] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        # Kept, since exporting a private key gives another text each time.
        self.known_hosts = f"[127.0.0.1]:{self.port} {self.host_key.export_public_key().decode()}"
        self.private_key = self.user_key.export_private_key().decode()

    def drop_connections(self) -> None:
        """Break every connection, as a network does."""
        for connection in self.connections:
            self._loop.call_soon_threadsafe(connection.abort)

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            for connection in self.connections:
                connection.abort()
            for group in self._groups:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait({asyncio.ensure_future(self._server.wait_closed()), *others}, timeout=5)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> asyncssh.SSHAcceptor:
        authorized = asyncssh.import_authorized_keys(self.user_key.export_public_key().decode())
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Door(self),
            server_host_keys=[self.host_key],
            authorized_client_keys=authorized,
            process_factory=self._run,
            sftp_factory=True,
            encoding=None,
        )
        self.port = server.get_port()
        return server

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        self.asked.append(process.command or "")
        shell = await asyncio.create_subprocess_exec(
            "bash", "-c", process.command or "true",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, cwd=self.folder,
        )  # fmt: skip
        self._groups.append(shell.pid)
        assert shell.stdin
        assert shell.stdout
        assert shell.stderr
        with contextlib.suppress(OSError, asyncssh.Error):  # either side may go at any time
            shell.stdin.write(await process.stdin.read())
            shell.stdin.close()
            await asyncio.gather(_pump(shell.stdout, process.stdout), _pump(shell.stderr, process.stderr))
        code = await shell.wait()
        self._groups.remove(shell.pid)
        with contextlib.suppress(OSError, asyncssh.Error):
            if code >= 0:
                process.exit(code)
            else:
                process.exit_with_signal(signal.Signals(-code).name[3:])


async def _pump(source: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes]) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()


def machine(folder: Path) -> Iterator[SshMachine]:
    running = SshMachine(folder)
    yield running
    running.close()
