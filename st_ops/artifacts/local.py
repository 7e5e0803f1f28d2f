"""Artifacts in a folder of this host, or in one that several hosts mount."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from st_ops.errors import NotFound, Unavailable
from st_ops.model.identity import new_id

_CHUNK = 1 << 18


class LocalStorage:
    """A folder. A location is ``file://host/path``, so that a host that does not mount it can name the other."""

    def __init__(self, url: str) -> None:
        """``url``: ``file:///absolute/folder``; the folder is made when it is first needed."""
        self.root = _path(url)
        self._host = socket.gethostname()

    def put(self, key: str, source: BufferedReader, size: int) -> str:
        """See Storage."""
        path = self.root / key
        # On the same file system, so that it takes its place in one step.
        draft = self.root / f".{new_id()}.part"
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with draft.open("xb") as target:
                draft.chmod(0o600)
                shutil.copyfileobj(source, target, _CHUNK)
                target.flush()
                os.fsync(target.fileno())
            draft.replace(path)
        except OSError as exc:
            draft.unlink(missing_ok=True)
            raise Unavailable("artifact folder", f"{exc.strerror} ({path})") from exc
        return f"file://{self._host}{quote(str(path))}"

    def read(self, location: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See Storage."""
        path = _path(location)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            raise NotFound("file", str(path), self._elsewhere(location)) from None
        except OSError as exc:
            raise Unavailable("artifact folder", f"{exc.strerror} ({path})") from exc
        return _pieces(file, start, length)

    def remove(self, locations: Sequence[str]) -> None:
        """See Storage."""
        for location in locations:
            path = _path(location)
            try:
                path.unlink(missing_ok=True)
            except OSError as exc:
                raise Unavailable("artifact folder", f"{exc.strerror} ({path})") from exc
            self._prune(path.parent)

    def _prune(self, folder: Path) -> None:
        """Remove folders that hold nothing any more, up to the root."""
        with contextlib.suppress(OSError):  # not empty, or gone already
            while folder != self.root and folder.is_relative_to(self.root):
                folder.rmdir()
                folder = folder.parent

    def _elsewhere(self, location: str) -> str:
        host = urlsplit(location).netloc
        if host in ("", self._host.lower(), self._host):
            return ""
        return (
            f"It was kept in a folder of host {host}, which this host ({self._host}) does not mount. With several "
            "hosts, let setting 'artifacts.url' name an S3 bucket."
        )

    def ping(self) -> None:
        """See Storage."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise Unavailable("artifact folder", f"{exc.strerror} ({self.root})") from exc


def _path(location: str) -> Path:
    return Path(unquote(urlsplit(location).path))


def _pieces(file: BufferedReader, start: int, length: int | None) -> Iterator[bytes]:
    with file:
        file.seek(start)
        left = length
        while data := file.read(_CHUNK if left is None else min(_CHUNK, left)):
            yield data
            if left is not None:
                left -= len(data)
