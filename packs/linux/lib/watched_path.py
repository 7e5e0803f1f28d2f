"""One watched path or pattern: which files appeared, which lines were added, told once each."""

from __future__ import annotations

import glob
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from followed_file import FollowedFile, Position

from st_ops.sdk import Context

#: Emits one event: trigger, payload, delivery, series.
Emit = Callable[[str, dict[str, Any], str, str], None]


def matches(pattern: str) -> list[str]:
    """The files that ``pattern`` (a path, or one with ``*``, ``?``, ``[…]``, ``**``) means now."""
    # Not Path.glob, which takes no absolute pattern.
    found = glob.glob(pattern, recursive=True) if glob.has_magic(pattern) else [pattern]  # noqa: PTH207
    return sorted(path for path in found if Path(path).is_file())


class Appearances:
    """The files of one pattern that were not there before. Those of the very first look are taken as known."""

    def __init__(self, ctx: Context, pattern: str) -> None:
        self._ctx = ctx
        self._pattern = pattern
        self._key = f"file_watch/appeared/{pattern}"
        text = ctx.kv.get(self._key)
        #: path → delivery, which is "" once it was told.
        self._known: dict[str, str] | None = json.loads(text) if text else None

    def look(self, emit: Emit) -> None:
        """Emit each new file once. What is to be told is stored first, so that after a crash it is told the same."""
        present = matches(self._pattern)
        if self._known is None:
            self._store(dict.fromkeys(present, ""))
            return
        fresh = {path: f"appeared/{path}/{time.time_ns()}" for path in present if path not in self._known}
        pending = {path: delivery for path, delivery in {**self._known, **fresh}.items() if path in present}
        if pending != self._known:
            self._store(pending)
        untold = {path: delivery for path, delivery in pending.items() if delivery}
        for path, delivery in untold.items():
            if (facts := _facts(path)) is not None:
                emit("file_appeared", facts, delivery, f"file/{path}")
        if untold:
            self._store(dict.fromkeys(pending, ""))

    def close(self) -> None:
        """Nothing is held."""

    def _store(self, known: dict[str, str]) -> None:
        self._known = known
        self._ctx.kv.set(self._key, known)


def _facts(path: str) -> dict[str, Any] | None:
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return None
    return {
        "file_path": path,
        "file_name": Path(path).name,
        "size": found.st_size,
        "modified_at": found.st_mtime,
    }


class Lines:
    """The lines added to the files of one pattern: those there at the very first look from their end, others whole."""

    def __init__(self, ctx: Context, pattern: str) -> None:
        self._ctx = ctx
        self._pattern = pattern
        self._files: dict[str, FollowedFile] = {}
        self._key = f"file_watch/lines/{pattern}"
        self._first = ctx.kv.get(self._key) is None

    def look(self, emit: Emit) -> None:
        """Emit what was added to each file since the last look."""
        present = matches(self._pattern)
        for path in present:
            if path not in self._files:
                self._files[path] = FollowedFile(path, self._position(path), from_end=self._first)
        if self._first:
            self._ctx.kv.set(self._key, "watched")
            self._first = False
        for path in list(self._files):
            self._follow_or_warn(path, emit)
            if path not in present:
                # What is left of a file that is only renamed is found when there is a new one at the path.
                file = self._files.pop(path)
                file.close()
                self._store(path, file.position)

    def _follow_or_warn(self, path: str, emit: Emit) -> None:
        try:
            self._follow(path, self._files[path], emit)
        except PermissionError as error:
            self._ctx.logger.warning("%s", error)

    def close(self) -> None:
        """Give the files back."""
        for file in self._files.values():
            file.close()

    def _follow(self, path: str, file: FollowedFile, emit: Emit) -> None:
        while True:
            before = file.position
            lines = file.read()
            for line in lines:
                payload = {
                    "file_path": path,
                    "file_name": Path(path).name,
                    "line": line.text,
                    "offset": line.offset,
                }
                emit("file_line", payload, f"line/{path}/{line.generation}/{line.offset}", f"file/{path}")
            if file.position != before:
                self._store(path, file.position)
            if not lines and (before is None or file.position == before):
                return

    def _store(self, path: str, position: Position | None) -> None:
        if position is not None:
            self._ctx.kv.set(self._position_key(path), asdict(position))

    def _position_key(self, path: str) -> str:
        return f"file_watch/position/{self._pattern}/{path}"

    def _position(self, path: str) -> Position | None:
        text = self._ctx.kv.get(self._position_key(path))
        return Position(**json.loads(text)) if text else None
