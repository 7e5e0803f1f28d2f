"""SSH connections: one for each host, user and credentials, shared by all runs, closed when nobody used it for a while.

Everything here runs on one event loop, in one thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from st_ops.runners.options import SshOptions

#: Runs that share one connection; two sessions stay free for killing.
_SESSIONS = 8


class SshFault(Exception):
    """Raised when a host cannot be used; the text is a sentence that names it and says what to do."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A host and how to get in. Two equal targets share a connection. Secrets are not in the repr."""

    host: str
    port: int
    username: str
    password: str = field(default="", repr=False)
    #: The key's text, or the path of its file.
    private_key: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)
    #: Path of a known_hosts file, or its lines.
    known_hosts: str = ""
    fingerprint: str = ""
    verify: bool = True
    bastion: Target | None = None

    def __str__(self) -> str:
        return f"{self.username}@{self.host}:{self.port}"


class _PinnedHost(asyncssh.SSHClient):
    """Accepts the one host key whose fingerprint was given."""

    def __init__(self, fingerprint: str) -> None:
        self._wanted = fingerprint
        self.seen = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.seen = key.get_fingerprint("sha256")
        return self.seen == self._wanted


@dataclass
class _Shared:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    connection: asyncssh.SSHClientConnection | None = None
    users: int = 0
    used_at: float = field(default_factory=time.monotonic)


class Connections:
    """The connections of one worker. For use on its event loop only."""

    def __init__(self, options: SshOptions) -> None:
        self._options = options
        self._shared: dict[tuple[Target, int], _Shared] = {}

    @contextlib.asynccontextmanager
    async def use(self, target: Target) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """A live connection to ``target``, made when there is none. Raises SshFault."""
        shared = self._place(target)
        shared.users += 1
        try:
            yield await self._ensure(target, shared)
        finally:
            shared.users -= 1
            shared.used_at = time.monotonic()

    def forget(self, target: Target, connection: asyncssh.SSHClientConnection) -> None:
        """``connection`` to ``target`` is broken: the next use makes another."""
        for key, shared in list(self._shared.items()):
            if key[0] == target and shared.connection is connection:
                del self._shared[key]
        connection.abort()

    def close_idle(self) -> None:
        """Close the connections that nobody used for the time allowed, nor goes through."""
        limit = time.monotonic() - self._options.idle_seconds
        bastions = {target.bastion for target, _slot in self._shared}
        for key, shared in list(self._shared.items()):
            if not shared.users and shared.used_at < limit and key[0] not in bastions:
                del self._shared[key]
                if shared.connection is not None:
                    shared.connection.close()

    async def close(self) -> None:
        """Close every connection."""
        shared, self._shared = self._shared, {}
        connections = [one.connection for one in shared.values() if one.connection is not None]
        for connection in connections:
            connection.abort()
        await asyncio.gather(
            *(connection.wait_closed() for connection in connections), return_exceptions=True
        )

    def _place(self, target: Target) -> _Shared:
        """The first connection to ``target`` with room: a server takes ten sessions on one (OpenSSH's MaxSessions)."""
        for slot in itertools.count():
            shared = self._shared.setdefault((target, slot), _Shared())
            if shared.users < _SESSIONS:
                return shared
        raise AssertionError("count does not end")

    async def _ensure(self, target: Target, shared: _Shared) -> asyncssh.SSHClientConnection:
        async with shared.lock:
            if shared.connection is None or shared.connection.is_closed():
                tunnel = None
                if target.bastion is not None:
                    tunnel = await self._ensure(target.bastion, self._place(target.bastion))
                shared.connection = await self._open(target, tunnel)
            return shared.connection

    async def _open(
        self, target: Target, tunnel: asyncssh.SSHClientConnection | None
    ) -> asyncssh.SSHClientConnection:
        pinned = _PinnedHost(target.fingerprint) if target.fingerprint else None
        keys = _keys(target, self._options)
        try:
            return await asyncssh.connect(
                target.host,
                target.port,
                username=target.username,
                password=target.password or None,
                client_keys=keys or None,
                agent_path=None if keys or target.password else os.environ.get("SSH_AUTH_SOCK"),
                known_hosts=_known_hosts(target),
                client_factory=(lambda: pinned) if pinned else None,
                tunnel=tunnel,
                config=None,
                connect_timeout=self._options.connect_seconds,
                login_timeout=self._options.connect_seconds,
                keepalive_interval=15,
                keepalive_count_max=4,
            )
        except asyncssh.HostKeyNotVerifiable as error:
            raise SshFault(_host_key_text(target, pinned)) from error
        except asyncssh.PermissionDenied as error:
            raise SshFault(
                f"{target} refused the login: check username, {'password' if target.password else 'private_key'} "
                f"and the host's authorized_keys ({error.reason})."
            ) from error
        except TimeoutError as error:
            raise SshFault(
                f"{target} did not answer within {self._options.connect_seconds:g} seconds."
            ) from error
        except asyncssh.ChannelOpenError as error:
            raise SshFault(f"{target} cannot be reached through {target.bastion}: {error.reason}.") from error
        except (asyncssh.Error, OSError) as error:
            raise SshFault(f"{target} cannot be reached: {_reason(error)}.") from error


def _reason(error: asyncssh.Error | OSError) -> str:
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "the connection was refused; is sshd running, and on that port?"
    if isinstance(error, asyncssh.Error):
        return error.reason or type(error).__name__
    return error.strerror or str(error) or type(error).__name__


def _host_key_text(target: Target, pinned: _PinnedHost | None) -> str:
    if pinned is not None:
        return (
            f"The host key of {target} is {pinned.seen or 'not of a kind we know'}, but host_key_fingerprint asks "
            f"for {target.fingerprint}."
        )
    return (
        f"The host key of {target} is not known or has changed. Add it to the known_hosts file "
        f"({target.known_hosts or 'none is set'}), give host_key_fingerprint, or set verify_host_key to false."
    )


def _known_hosts(target: Target) -> object:
    """What asyncssh is to check host keys against; None checks nothing."""
    if target.fingerprint:
        # Nothing is trusted in advance, so that every key goes to _PinnedHost.
        return ([], [], [])
    if not target.verify:
        return None
    text = target.known_hosts
    if " " not in text:
        path = Path(text).expanduser()
        try:
            text = path.read_text()
        except OSError:
            text = ""
    return asyncssh.import_known_hosts(text)


def _keys(target: Target, options: SshOptions) -> list[asyncssh.SSHKey]:
    """The private key to log in with: the one given, else, without a password, the installation's if it exists."""
    if target.private_key:
        return [_read_key(target, target.private_key)]
    default = Path(options.key).expanduser() if options.key else None
    if target.password or default is None or not default.is_file():
        return []
    return [_read_key(target, str(default))]


def _read_key(target: Target, key: str) -> asyncssh.SSHKey:
    try:
        if "-----BEGIN" in key:
            return asyncssh.import_private_key(key.strip() + "\n", target.passphrase or None)
        return asyncssh.read_private_key(str(Path(key).expanduser()), target.passphrase or None)
    except OSError as error:
        raise SshFault(f"The private key {key} for {target} cannot be read: {error.strerror}.") from error
    except asyncssh.KeyEncryptionError as error:
        raise SshFault(
            f"The private key for {target} is encrypted and 'passphrase' does not open it ({error})."
        ) from error
    except asyncssh.KeyImportError as error:
        what = f"is unusable: {error}"
        if target.passphrase:
            what = f"cannot be opened with the given 'passphrase' ({error})"
        elif "passphrase" in str(error).lower():
            what = "is encrypted: give 'passphrase'"
        raise SshFault(f"The private key for {target} {what}.") from error
