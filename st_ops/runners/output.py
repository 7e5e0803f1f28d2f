"""What a run prints: handed to the console by the line while it runs, and kept, up to a cap, for the result."""

from __future__ import annotations

import codecs

from st_ops.runners.base import Console, Stream
from st_ops.runners.text import clean

#: A line longer than this (bytes) is handed on in pieces.
PIECE = 64 * 1024


class Budget:
    """How many bytes of one run's output may still be kept, over all its streams."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._left = limit
        self._noted = False

    def take(self, data: bytes) -> bytes:
        """As much of ``data`` as there is room for, with a note where room ends."""
        if len(data) <= self._left:
            self._left -= len(data)
            return data
        kept, self._left = data[: self._left], 0
        if self._noted:
            return b""
        self._noted = True
        gap = b"" if kept.endswith(b"\n") or not kept else b"\n"
        return kept + gap + f"[st_ops: output beyond {self.limit} bytes was dropped]\n".encode()


class Output:
    """One stream of one run. ``prefix`` stands before each line on the console, not in ``text``."""

    def __init__(self, console: Console, stream: Stream, budget: Budget, prefix: str = "") -> None:
        self._console = console
        self._stream = stream
        self._budget = budget
        self._prefix = prefix
        self._kept: list[str] = []
        self._rest = b""
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def feed(self, data: bytes) -> None:
        """Take in what was printed: whole lines go on, the beginning of a line waits for its end."""
        data = self._budget.take(data)
        if not data:
            return
        data = self._rest + data if self._rest else data
        cut = data.rfind(b"\n") + 1
        if cut == 0 and len(data) >= PIECE:
            cut = len(data)
        self._rest = data[cut:]
        if cut:
            self._hand_on(self._decode(data[:cut]))

    def close(self) -> None:
        """Hand on what is left: the last line had no end."""
        self._hand_on(self._decode(self._rest, True))
        self._rest = b""

    @property
    def text(self) -> str:
        """Everything kept so far; bytes that are not UTF-8, and NULs, appear as U+FFFD."""
        return "".join(self._kept)

    def _hand_on(self, text: str) -> None:
        if not text:
            return
        text = clean(text)
        self._kept.append(text)
        if self._prefix:
            text = "".join(self._prefix + line for line in text.splitlines(keepends=True))
        self._console.write(self._stream, text)
