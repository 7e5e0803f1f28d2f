"""The framing of ``st_ops.sdk.wire``, for a reader that must never block on one of many descriptors."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

_HEADER = struct.Struct(">I")


def frame(message: Mapping[str, Any]) -> bytes:
    """``message`` as it travels. Values JSON does not know travel as their text."""
    body = orjson.dumps(message, default=str, option=orjson.OPT_NON_STR_KEYS)
    return _HEADER.pack(len(body)) + body


class Frames:
    """Takes bytes as they come and gives whole messages. A frame larger than ``limit`` bytes is skipped and told of."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> Iterator[Mapping[str, Any]]:
        """The messages that ``data`` completes. Something that is no JSON object ends the job's say: it is left out."""
        self._buffer += data
        while True:
            if self._skip:
                cut = min(self._skip, len(self._buffer))
                del self._buffer[:cut]
                self._skip -= cut
            if self._skip or len(self._buffer) < _HEADER.size:
                return
            (size,) = _HEADER.unpack_from(self._buffer)
            if size > self._limit:
                self._skip = size + _HEADER.size
                yield {"type": "result", "result_too_large": size}
                continue
            if len(self._buffer) < _HEADER.size + size:
                return
            body = bytes(self._buffer[_HEADER.size : _HEADER.size + size])
            del self._buffer[: _HEADER.size + size]
            message = _parse(body)
            if isinstance(message, dict):
                yield message


def _parse(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body)  # NaN and integers beyond 64 bits are Python's, not orjson's
    except ValueError:
        return None
