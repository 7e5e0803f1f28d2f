"""Where the content of artifacts is kept. One contract, two kinds: a folder (``local.py``), S3 (``s3.py``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BufferedReader
from typing import Protocol
from urllib.parse import urlsplit

from st_ops.artifacts.local import LocalStorage
from st_ops.errors import UserError
from st_ops.settings import ArtifactSettings


class Storage(Protocol):
    """One place for files. Every method may be called from any thread, and raises Unavailable when it is away."""

    def put(self, key: str, source: BufferedReader, size: int) -> str:
        """Keep the ``size`` bytes of ``source`` (a real file, read from its present position) under ``key``.

        Answers their location, a URL. Afterwards they are there whole, or not at all; what was there under this
        key before is replaced. ``key`` is a relative path without ``.`` and ``..``.
        """

    def read(self, location: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The content at ``location`` in pieces: ``length`` bytes from ``start``, None = to the end.

        Raises NotFound, before the first piece, when there is nothing.
        """

    def remove(self, locations: Sequence[str]) -> None:
        """Delete what is at these locations; what is there no more is as good as deleted."""

    def ping(self) -> None:
        """Raises Unavailable when nothing can be kept."""


def check_url(url: str) -> None:
    """Raises UserError when ``url`` names no place that we can keep files at."""
    parts = urlsplit(url)
    if (parts.scheme == "file" and parts.path.startswith("/")) or (parts.scheme == "s3" and parts.netloc):
        return
    raise UserError(
        f"Setting 'artifacts.url' is '{url}'; it must be file:///an/absolute/folder or s3://bucket/prefix."
    )


def storage_for(url: str, settings: ArtifactSettings) -> Storage:
    """The storage that a URL (setting ``artifacts.url``, or a location) belongs to. Raises UserError."""
    check_url(url)
    if urlsplit(url).scheme == "file":
        return LocalStorage(url)
    # boto3 costs a third of a second and 20 MB to import: only where it is used.
    from st_ops.artifacts.s3 import S3Storage

    return S3Storage(url, endpoint_url=settings.endpoint_url, region=settings.region)
