"""The machine to provision: a real SSH server on loopback that executes what it is told, in a folder of its own."""

from __future__ import annotations

import asyncio
import posixpath
import threading
from functools import partial
from pathlib import Path
from typing import Any

import asyncssh

from st_ops.demo.children import clean_environment

USER = "demo"


class _Files(asyncssh.SFTPServer):
    """File transfer in which a relative path begins at the machine's home, as in every sshd."""

    def __init__(self, home: bytes, channel: asyncssh.SSHServerChannel[bytes]) -> None:
        super().__init__(channel)
        self._home = home

    def map_path(self, path: bytes) -> bytes:
        """Where ``path`` is on disk."""
        return posixpath.join(self._home, path)


class DemoMachine:
    """A running server. ``key_path`` is the one private key it lets in, ``known_hosts`` the lines that name it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "machine"
        self.home.mkdir()
        self.key_path = folder / "id_demo"
        self.port = 0
        self.known_hosts = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="machine", daemon=True)
        self._thread.start()
        self._server: asyncssh.SSHAcceptor = self._run(self._listen())

    @property
    def config(self) -> dict[str, Any]:
        """What the pack ``web_service`` must know to get in."""
        return {
            "ssh_host": "127.0.0.1",
            "ssh_port": self.port,
            "ssh_user": USER,
            "ssh_private_key": str(self.key_path),
            "ssh_known_hosts": self.known_hosts,
        }

    def files(self) -> list[str]:
        """What lies on the machine now, relative to its home."""
        return sorted(str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file())

    def close(self) -> None:
        """Stop. Idempotent."""
        if self._loop.is_running():
            self._run(self._stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _listen(self) -> asyncssh.SSHAcceptor:
        host_key = asyncssh.generate_private_key("ssh-ed25519")
        user_key = asyncssh.generate_private_key("ssh-ed25519")
        user_key.write_private_key(self.key_path)
        self.key_path.chmod(0o600)
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(user_key.export_public_key().decode()),
            process_factory=self._execute,
            sftp_factory=partial(_Files, str(self.home).encode()),
            encoding=None,
        )
        self.port = server.get_port()
        self.known_hosts = f"[127.0.0.1]:{self.port} {host_key.export_public_key().decode().strip()}\n"
        return server

    async def _stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _execute(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            process.command or "exec /bin/sh",
            cwd=self.home,
            env={**clean_environment(self.home), "USER": USER, **process.env},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
        process.exit(await child.wait())
        await process.wait_closed()
