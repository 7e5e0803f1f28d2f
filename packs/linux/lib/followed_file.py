"""Reading a file that grows, is rotated and truncated, line by line and each line once."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

#: Bytes read at once.
CHUNK = 1_048_576
#: A longer line is given in pieces of this many bytes.
LONGEST_LINE = 65_536


@dataclass(frozen=True)
class Position:
    """Where reading goes on: the file, the byte in it, and the how manieth content of the path this is."""

    device: int
    inode: int
    offset: int
    generation: int


@dataclass(frozen=True)
class Line:
    """One line without its end. ``offset`` is its first byte; with ``generation`` it names the line for good."""

    text: str
    offset: int
    generation: int


class FollowedFile:
    """One path. ``position`` is where the last reader stopped; None begins with the file that is there.

    ``from_end``: begin at the end of it, as for a file that was there before anybody watched.
    """

    def __init__(self, path: str, position: Position | None = None, *, from_end: bool = False) -> None:
        self.path = Path(path)
        self.position = position
        self._from_end = from_end
        self._file: BinaryIO | None = None

    def read(self) -> list[Line]:
        """The lines that came since; at most a chunk of them, so that a caller stores its position now and then.

        ``position`` is then behind them. Raises OSError when the path cannot be read; it may be asked again.
        """
        if self._file is None:
            self._open()
        if self._file is None or self.position is None:
            return []
        size = os.fstat(self._file.fileno()).st_size
        if size < self.position.offset:
            self._begin(self.position.device, self.position.inode)  # truncated
        lines = self._lines(replaced := self._is_replaced())
        if not lines and replaced:
            self.close()
            self._open()
        return lines

    def close(self) -> None:
        """Give the file back. When it is deleted its inode may be another's soon: then the position names none."""
        if self._file is None:
            return
        if self.position is not None and os.fstat(self._file.fileno()).st_nlink == 0:
            self.position = Position(0, 0, self.position.offset, self.position.generation)
        self._file.close()
        self._file = None

    def _open(self) -> None:
        """Open the file that ``position`` is in, wherever it was moved to; else the one at the path, from its start."""
        found = _regular(self.path)
        known = self.position
        if known is not None and (
            found is None or (found.st_dev, found.st_ino) != (known.device, known.inode)
        ):
            moved = _sibling(self.path, known)
            if moved and moved.stat().st_size > known.offset:
                self._file = moved.open("rb")
                return
        if found is None:
            return
        self._file = self.path.open("rb")
        opened = os.fstat(self._file.fileno())
        if known is None or (opened.st_dev, opened.st_ino) != (known.device, known.inode):
            self._begin(opened.st_dev, opened.st_ino, opened.st_size if self._from_end else 0)
            self._from_end = False

    def _begin(self, device: int, inode: int, offset: int = 0) -> None:
        generation = self.position.generation + 1 if self.position else 0
        self.position = Position(device, inode, offset, generation)

    def _is_replaced(self) -> bool:
        """True when another file is at the path now, so that the open one gets no more lines."""
        assert self.position is not None
        found = _regular(self.path)
        return found is not None and (found.st_dev, found.st_ino) != (
            self.position.device,
            self.position.inode,
        )

    def _lines(self, last: bool) -> list[Line]:
        """The complete lines behind the position, and with ``last`` what follows them too."""
        assert self._file is not None
        assert self.position is not None
        self._file.seek(self.position.offset)
        data = self._file.read(CHUNK)
        lines = []
        start = 0
        while start < len(data):
            end = data.find(b"\n", start, start + LONGEST_LINE)
            stop = end + 1 if end >= 0 else min(start + LONGEST_LINE, len(data))
            if end < 0 and stop - start < LONGEST_LINE and not (last and len(data) < CHUNK):
                break
            text = data[start:stop].rstrip(b"\r\n").decode("utf-8", "replace")
            lines.append(Line(text, self.position.offset + start, self.position.generation))
            start = stop
        self.position = Position(
            self.position.device, self.position.inode, self.position.offset + start, self.position.generation
        )
        return lines


def _regular(path: Path) -> os.stat_result | None:
    """What is known of the regular file at ``path``; None when there is none. Opening a pipe would wait for ever."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _sibling(path: Path, position: Position) -> Path | None:
    """Where in its folder the file of ``position`` is now."""
    try:
        with os.scandir(path.parent) as entries:
            for entry in entries:
                if entry.inode() == position.inode and entry.is_file():
                    found = entry.stat()
                    return Path(entry.path) if found.st_dev == position.device else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    return None
