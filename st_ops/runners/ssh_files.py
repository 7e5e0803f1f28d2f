"""Files of one host over SFTP: put there and fetched whole, checked, and only when they differ.

A file arrives under another name in its folder and takes its place in one step when size and SHA-256 are right, so
that nobody ever sees half of it, and a run that is repeated changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import posixpath
import re
import shlex
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import asyncssh

from st_ops.runners.ssh_connections import SshFault, Target

#: Bytes that are moved at a time; SFTP splits them into packets under way at once.
_CHUNK = 4 * 1024 * 1024

#: Files below one folder that are taken; more are a mistake in the path.
_MOST_FILES = 10_000

_DIGEST = re.compile(r"^([0-9a-f]{64})\b")


@dataclass(frozen=True, kw_only=True)
class Copied:
    """One file: where it is now (``path``), its size and digest, and whether it had to be written."""

    path: str
    size: int
    sha256: str
    changed: bool


@dataclass(frozen=True)
class RemoteFiles:
    """The files that a connection reaches. ``mark`` is unique to the run."""

    connection: asyncssh.SSHClientConnection
    sftp: asyncssh.SFTPClient
    target: Target
    mark: str

    @classmethod
    @contextlib.asynccontextmanager
    async def over(
        cls, connection: asyncssh.SSHClientConnection, target: Target, mark: str
    ) -> AsyncIterator[RemoteFiles]:
        """The files of ``target``. Raises SshFault when the host offers no SFTP."""
        try:
            sftp = await connection.start_sftp_client()
        except asyncssh.Error as error:
            raise SshFault(f"{target} offers no SFTP, which copying files needs: {error.reason}.") from error
        async with sftp:
            yield cls(connection, sftp, target, mark)

    async def put(self, source: Path | bytes, path: str, *, mode: int | None, folders: bool) -> Copied:
        """Make ``path`` there hold ``source``: a local file, or bytes. Raises SshFault, OSError.

        Without ``mode`` a file that is there keeps its own, and another gets the local one's. ``folders`` makes those
        that are missing.
        """
        with self._named(path):
            path = await self._where(path, source)
            size, digest = await asyncio.to_thread(_measure, source)
            before = await self._look(path)
            if before is not None and before.size == size and await self.digest(path) == digest:
                changed = mode is not None and _mode(before) != mode
                if changed:
                    await self.sftp.chmod(path, mode or 0)
                return Copied(path=path, size=size, sha256=digest, changed=changed)
            if folders:
                await self.sftp.makedirs(posixpath.dirname(path) or ".", exist_ok=True)
            own = _mode(before) if before is not None else _local_mode(source)
            await self._write(source, path, own if mode is None else mode, size, digest)
        return Copied(path=path, size=size, sha256=digest, changed=True)

    async def fetch(self, path: str, place: Path, *, most_bytes: int) -> Copied:
        """Make the local file ``place`` hold what ``path`` there holds; at most ``most_bytes``, 0 = any number.

        Raises SshFault, OSError.
        """
        with self._named(path):
            size = (await self.sftp.stat(path)).size or 0
            if most_bytes and size > most_bytes:
                raise SshFault(
                    f"{path} on {self.target} has {size} bytes; at most {most_bytes} are taken (limits.file_mb)."
                )
            digest = await self._sum(path)
            here = await asyncio.to_thread(_holds, place, size, digest)
            if here:
                return Copied(path=str(place), size=size, sha256=digest, changed=False)
            place.parent.mkdir(parents=True, exist_ok=True)
            new = place.with_name(f".{place.name}.{self.mark}")
            try:
                read, found = await self._read(path, new)
                if read != size or (digest and found != digest):
                    raise SshFault(f"{path} on {self.target} changed while it was read.")
                new.replace(place)
            finally:
                new.unlink(missing_ok=True)
        return Copied(path=str(place), size=size, sha256=found, changed=True)

    async def below(self, path: str) -> list[str]:
        """The regular files below the folder ``path``, relative to it; ``[""]`` when it is a file. Raises SshFault."""
        with self._named(path):
            if not await self.sftp.isdir(path):
                return [""]
            found: list[str] = []
            folders = [""]
            while folders:
                folder = folders.pop()
                async for entry in self.sftp.scandir(posixpath.join(path, folder)):
                    name = str(entry.filename)
                    if name in (".", ".."):
                        continue
                    if "/" in name:  # what a server sends is not to be trusted with our file system
                        raise SshFault(f"{self.target} names a file '{name}' in {path}, which cannot be.")
                    inner = posixpath.join(folder, name)
                    kind = stat.S_IFMT(entry.attrs.permissions or 0)
                    if kind == stat.S_IFDIR:
                        folders.append(inner)
                    elif kind == stat.S_IFREG:
                        found.append(inner)
                    if len(found) > _MOST_FILES:
                        raise SshFault(
                            f"There are more than {_MOST_FILES} files below {path} on {self.target}."
                        )
        return sorted(found)

    async def digest(self, path: str) -> str:
        """The SHA-256 of a file there, as the host works it out, or else of what is read back from it."""
        return await self._sum(path) or (await self._read(path, None))[1]

    async def _sum(self, path: str) -> str:
        """What the host's sha256sum says; "" when it cannot be asked."""
        with contextlib.suppress(asyncssh.ChannelOpenError):  # a host for files only runs nothing
            done = await self.connection.run(f"sha256sum < {shlex.quote(path)}", check=False)
            found = _DIGEST.match(str(done.stdout))
            if done.exit_status == 0 and found:
                return found[1]
        return ""

    async def _where(self, path: str, source: Path | bytes) -> str:
        """``path`` itself, the file of the same name in it when it is a folder, or what it links to."""
        name = source.name if isinstance(source, Path) else ""
        if path.endswith("/") or await self.sftp.isdir(path):
            if not name:
                raise SshFault(f"{path} on {self.target} is a folder; 'target' must name the file.")
            return posixpath.join(path, name)
        if await self.sftp.islink(path):
            return str(await self.sftp.realpath(path))
        return path

    async def _look(self, path: str) -> asyncssh.SFTPAttrs | None:
        try:
            return await self.sftp.stat(path)
        except asyncssh.SFTPNoSuchFile:
            return None

    async def _write(self, source: Path | bytes, path: str, mode: int, size: int, digest: str) -> None:
        new = posixpath.join(posixpath.dirname(path), f".{posixpath.basename(path)}.{self.mark}")
        try:
            async with self.sftp.open(
                new, "wb", attrs=asyncssh.SFTPAttrs(permissions=0o600), encoding=None
            ) as file:
                for chunk in _chunks(source):
                    await file.write(chunk)
            await self.sftp.chmod(new, mode)
            written = (await self.sftp.stat(new)).size
            if written != size or await self.digest(new) != digest:
                raise SshFault(
                    f"{path} did not arrive whole on {self.target}: {written} of {size} bytes, or others."
                )
            await self.sftp.posix_rename(new, path)
        except BaseException:
            with contextlib.suppress(asyncssh.Error, OSError):  # it may not even be there
                await self.sftp.remove(new)
            raise

    async def _read(self, path: str, place: Path | None) -> tuple[int, str]:
        """Read a file there, to the new file ``place`` if any; its size and SHA-256."""
        size, digest = 0, hashlib.sha256()
        with contextlib.ExitStack() as stack:
            local = None if place is None else stack.enter_context(_private(place))
            async with self.sftp.open(path, "rb", encoding=None) as file:
                while chunk := await file.read(_CHUNK):
                    assert isinstance(chunk, bytes)  # since it was opened without an encoding
                    size += len(chunk)
                    digest.update(chunk)
                    if local is not None:
                        local.write(chunk)
        return size, digest.hexdigest()

    @contextlib.contextmanager
    def _named(self, path: str) -> Iterator[None]:
        """What goes wrong with ``path``, in a sentence."""
        try:
            yield
        except asyncssh.SFTPError as error:
            raise SshFault(f"{path} on {self.target}: {error.reason}.") from error


def local_files(source: Path) -> dict[str, Path]:
    """The files below ``source``, by their path relative to it; ``{"": source}`` for a file. Raises ValueError."""
    if source.is_file():
        return {"": source}
    if not source.is_dir():
        raise ValueError(f"There is no file or folder {source} on the worker ('source').")
    found = {str(path.relative_to(source)): path for path in sorted(source.rglob("*")) if path.is_file()}
    if len(found) > _MOST_FILES:
        raise ValueError(f"There are more than {_MOST_FILES} files below {source}.")
    return found


def _private(place: Path) -> BinaryIO:
    return os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _chunks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _measure(source: Path | bytes) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    for chunk in _chunks(source):
        size += len(chunk)
        digest.update(chunk)
    return size, digest.hexdigest()


def _holds(place: Path, size: int, digest: str) -> bool:
    return bool(digest) and place.is_file() and _measure(place) == (size, digest)


def _mode(attributes: asyncssh.SFTPAttrs) -> int:
    return stat.S_IMODE(attributes.permissions or 0)


def _local_mode(source: Path | bytes) -> int:
    return stat.S_IMODE(source.stat().st_mode) if isinstance(source, Path) else 0o600
