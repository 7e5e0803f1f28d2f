"""The framing of ``st_ops.sdk.wire``, for a reader that must never block on one of many descriptors."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from st_ops.runners.text import loads

_HEADER = struct.Struct(">I")


def frame(message: Mapping[str, Any]) -> bytes:
    """``message`` as it travels. Values JSON does not know travel as their text."""
    body = orjson.dumps(message, default=str, option=orjson.OPT_NON_STR_KEYS)
    return _HEADER.pack(len(body)) + body


class Frames:
    """Takes bytes as they come and gives whole messages.

    A job sends no frame larger than ``limit`` bytes by our means (``sandbox/python_child.py``); where one seems to
    come, something else writes on its channel. That is told as ``{"type": "babble"}``, and nothing follows.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._over = False

    def feed(self, data: bytes) -> Iterator[Mapping[str, Any]]:
        """The messages that ``data`` completes."""
        if self._over:
            return
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            (size,) = _HEADER.unpack_from(self._buffer)
            if size <= self._limit and len(self._buffer) < _HEADER.size + size:
                return
            message = _parse(bytes(self._buffer[_HEADER.size : _HEADER.size + size]))
            del self._buffer[: _HEADER.size + size]
            if size > self._limit or not isinstance(message, dict):
                self._over = True
                self._buffer.clear()
                yield {"type": "babble"}
                return
            yield message


def _parse(body: bytes) -> object:
    try:
        return loads(body)
    except ValueError:
        return None
