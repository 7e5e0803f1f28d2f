"""A room for each run: the folder for files that it wants kept, and those of others that it asked for."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from st_ops.artifacts.keeping import Artifacts, Kept
from st_ops.model.executions import Execution
from st_ops.model.identity import new_id
from st_ops.store import artifacts, processes
from st_ops.store.database import Database

log = logging.getLogger(__name__)

_MODE = 0o700
#: The file in a worker's folder that says whose it is.
_OWNER = "owner"


class Rooms:
    """Makes rooms in a folder of this worker's own, and keeps what is left in them."""

    def __init__(self, folder: Path, database: Database, kept: Artifacts) -> None:
        """``folder`` is shared by all workers of a home folder."""
        self._folder = folder
        self._own = folder / new_id()
        self._numbers = itertools.count(1)
        self._free: list[Path] = []
        self._database = database
        self._kept = kept

    def open(self) -> None:
        """Make the folder, and remove those of workers that were killed."""
        self._own.mkdir(parents=True, mode=0o700)
        (self._own / _OWNER).write_text(processes.here())
        for other in self._folder.iterdir():
            try:
                abandoned = processes.gone((other / _OWNER).read_text())
            except OSError:  # being made, or removed, by its worker at this moment
                continue
            if abandoned:
                shutil.rmtree(other, ignore_errors=True)

    def close(self) -> None:
        """Remove the folder. Idempotent."""
        shutil.rmtree(self._own, ignore_errors=True)

    def make(self) -> Path:
        """The artifact folder of one run, empty."""
        # Making and removing a folder may cost a millisecond, and most runs leave nothing in theirs: it is used again.
        with contextlib.suppress(IndexError):
            return self._free.pop()
        path = self._own / f"room-{next(self._numbers)}"
        path.mkdir(mode=0o700)
        return path

    def clear(self, execution: Execution, room: Path, tell: Callable[[str], None]) -> Kept:
        """Keep what the run left in its folder, ``tell`` what was not kept, and leave or remove the folder."""
        shutil.rmtree(_fetched(room), ignore_errors=True)
        if _as_made(room):
            self._free.append(room)
            return Kept()
        kept = self._kept.keep(execution, room)
        for note in kept.notes:
            tell(note)
        _remove(room)
        return kept

    def fetch(
        self, execution: Execution, room: str, name: str, *, execution_id: str = "", task: str = ""
    ) -> str:
        """Fetch an artifact of another execution for this run; the path of the file, which goes with the run.

        Of the execution with this id, or of the task with this name in the workflow that ``execution`` is part of.
        Raises NotFound and Unavailable.
        """
        with self._database.read() as tx:
            found = artifacts.named(tx, execution_id or execution.id, name, task=task)
        path = _fetched(Path(room)) / found.execution_id / found.name
        self._kept.fetch(found, path)
        return str(path)

    def remove(self, locations: list[str]) -> None:
        """Remove files that no artifact names any more. What cannot be removed now is only logged."""
        try:
            self._kept.remove(locations)
        except Exception:  # the edge: a file too many does no harm to any execution
            log.exception("%d files of replaced artifacts could not be removed.", len(locations))


def _fetched(room: Path) -> Path:
    return room.with_name(room.name + ".fetched")


def _as_made(room: Path) -> bool:
    """Whether a run has left its folder as it was."""
    try:
        state = os.lstat(room)
        if (
            stat.S_IMODE(state.st_mode) != _MODE
            or not stat.S_ISDIR(state.st_mode)
            or state.st_uid != os.geteuid()
        ):
            return False
        with os.scandir(room) as entries:
            return next(entries, None) is None
    except OSError:
        return False


def _remove(room: Path) -> None:
    if room.is_symlink() or room.is_file():
        room.unlink()
    elif room.exists():
        with contextlib.suppress(OSError):  # another's, and then not ours to remove
            room.chmod(_MODE)
        shutil.rmtree(room, onerror=_note_left)


def _note_left(_function: object, path: str, failure: object) -> None:
    # Files that sudo made, perhaps.
    log.warning("What a run left could not be removed: %s", path)
