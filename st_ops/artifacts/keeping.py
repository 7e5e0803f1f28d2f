"""Keeping what a run left in its artifact folder, and handing it out again."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from urllib.parse import urlsplit

from st_ops.artifacts.storage import Storage, check_url, storage_for
from st_ops.errors import StOpsError, Unavailable
from st_ops.logs import facts
from st_ops.model.artifacts import Artifact
from st_ops.model.executions import Execution
from st_ops.settings import ArtifactSettings

log = logging.getLogger(__name__)

#: Characters that a name may not have: control characters, and bytes that are not UTF-8.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
#: Longest name in bytes of UTF-8: S3 takes keys of 1024 bytes, and the execution's id stands before the name.
_NAME_BYTES = 800
#: Most sentences about files that were not kept.
_MOST_NOTES = 20


@dataclass
class Kept:
    """What was kept of one folder; ``notes`` say, in a sentence each, what was not, and why."""

    artifacts: list[Artifact] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bytes: int = 0


class Artifacts:
    """Keeps and hands out the files of executions. Thread-safe."""

    def __init__(self, settings: ArtifactSettings, folder: Path) -> None:
        """``folder`` is where they are kept when the settings name no place. Raises UserError for a bad setting."""
        self._settings = settings
        self._url = settings.url or folder.absolute().as_uri()
        self._lock = threading.Lock()
        self._storages: dict[str, Storage] = {}
        check_url(self._url)

    def keep(self, execution: Execution, folder: Path) -> Kept:
        """Keep the files in ``folder`` as artifacts of this run of ``execution``. Links are not followed.

        Never raises for what is in the folder, or a storage that is away: that becomes a note.
        """
        kept = Kept()
        for name, source in _files(folder, kept.notes):
            with source:
                refused = self._refusal(name, source, kept)
                try:
                    if not refused:
                        self._keep(execution, name, source, kept)
                except (StOpsError, OSError) as exc:
                    log.exception("An artifact could not be kept.", extra=facts(execution_id=execution.id))
                    refused = str(exc)
                if refused:
                    kept.notes.append(f"The artifact '{name}' was not kept: {refused}")
        if len(kept.notes) > _MOST_NOTES:
            kept.notes[_MOST_NOTES:] = [f"{len(kept.notes) - _MOST_NOTES} more were not kept."]
        return kept

    def _refusal(self, name: str, source: BufferedReader, kept: Kept) -> str:
        """Why a file may not be kept; "" when it may."""
        settings, size = self._settings, os.fstat(source.fileno()).st_size
        if len(name.encode()) > _NAME_BYTES:
            return f"its name is longer than {_NAME_BYTES} bytes."
        if any(entry.name == name for entry in kept.artifacts):
            return "there is another one whose name differs only in characters that names may not have."
        if size > settings.file_bytes:
            return f"its {size} bytes are more than setting 'artifacts.file_bytes' ({settings.file_bytes}) allows."
        if kept.bytes + size > settings.execution_bytes:
            limit = settings.execution_bytes
            return f"with its {size} bytes they would exceed setting 'artifacts.execution_bytes' ({limit})."
        if len(kept.artifacts) >= settings.files:
            return f"there are more than setting 'artifacts.files' ({settings.files}) allows."
        return ""

    def _keep(self, execution: Execution, name: str, source: BufferedReader, kept: Kept) -> None:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
        size = source.tell()
        source.seek(0)
        # A key of each run's own: a run that lost its lease overwrites nothing of the one that took its place.
        # The first four digits are 18 hours: no folder grows without bound.
        run = f"{execution.id[:4]}/{execution.id}/{execution.attempt}.{execution.token}"
        location = self._storage(self._url).put(f"{run}/{name}", source, size)
        kept.artifacts.append(
            Artifact(execution_id=execution.id, name=name, size=size, digest=digest, location=location)
        )
        kept.bytes += size

    def read(self, artifact: Artifact, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The content in pieces: ``length`` bytes from ``start``. Raises NotFound and Unavailable."""
        return self._storage(artifact.location).read(artifact.location, start, length)

    def fetch(self, artifact: Artifact, target: Path) -> None:
        """Write the content to the file ``target``. Raises NotFound, and Unavailable also for a damaged one."""
        digest = hashlib.sha256()
        target.parent.mkdir(parents=True, exist_ok=True)
        pieces = self.read(artifact)
        with target.open("wb") as file:
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != artifact.digest:
            raise Unavailable(
                "artifact", f"what is kept at {artifact.location} is not what was put there (SHA-256)."
            )

    def remove(self, locations: Sequence[str]) -> None:
        """Delete the content at these locations. Raises Unavailable."""
        by_scheme: dict[str, list[str]] = {}
        for location in locations:
            by_scheme.setdefault(urlsplit(location).scheme, []).append(location)
        for some in by_scheme.values():
            self._storage(some[0]).remove(some)

    def ping(self) -> None:
        """Raises Unavailable when nothing can be kept."""
        self._storage(self._url).ping()

    def _storage(self, url: str) -> Storage:
        """The storage that ``url`` belongs to; also of one that was kept before the setting was changed."""
        scheme = urlsplit(url).scheme
        own = urlsplit(self._url).scheme
        with self._lock:
            if scheme not in self._storages:
                self._storages[scheme] = storage_for(self._url if scheme == own else url, self._settings)
            return self._storages[scheme]


def _files(folder: Path, notes: list[str]) -> Iterator[tuple[str, BufferedReader]]:
    """Every regular file below ``folder`` as (name, open file), by name; what is none is noted."""
    if folder.is_symlink() or not folder.is_dir():
        if os.path.lexists(folder):
            notes.append("Nothing was kept: the run put something else in the place of its artifact folder.")
        return
    for root, folders, names, descriptor in os.fwalk(folder, follow_symlinks=False, onerror=_noting(notes)):
        folders.sort()
        place = Path(root).relative_to(folder)
        # A link to a folder counts as a folder here, but is not entered.
        links = [entry for entry in folders if Path(root, entry).is_symlink()]
        for entry in sorted([*names, *links]):
            name = _UNFIT.sub("_", (place / entry).as_posix())
            file = _opened(entry, descriptor)
            if isinstance(file, str):
                notes.append(f"The artifact '{name}' was not kept: {file}")
            else:
                yield name, file


def _opened(entry: str, folder: int) -> BufferedReader | str:
    """The regular file ``entry`` of an open folder; or why it is not opened."""
    try:
        # O_NONBLOCK: opening a named pipe must not wait for somebody to write into it.
        file = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as exc:
        return "it is a link." if exc.errno == errno.ELOOP else f"{exc.strerror}."
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        return "it is no regular file."
    return os.fdopen(file, "rb")


def _noting(notes: list[str]) -> Callable[[OSError], None]:
    def note(error: OSError) -> None:
        notes.append(f"An artifact folder could not be read: {error.strerror} ({error.filename}).")

    return note
