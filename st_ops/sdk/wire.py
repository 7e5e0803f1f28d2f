"""How a child process and the platform talk: length-prefixed JSON over a socket or a pair of pipes.

A frame is four bytes, the length big-endian, and that many bytes of UTF-8 JSON, always an object:

- ``{"id": 7, "method": "kv.get", "arguments": {…}}`` is a request;
- ``{"reply": 7, "result": …}`` or ``{"reply": 7, "error": "a sentence"}`` is its answer;
- anything else is a one-way message, which the two sides agree on (``{"type": "result", …}``).

Standard library only, Python 3.8 and later: this file also runs in the virtualenvs of packs.
"""

from __future__ import annotations

import select
import struct
import threading
import time

# By name, so that an action that puts something else into these modules can still be heard.
from json import dumps, loads
from os import close, read, write
from typing import Any, Dict, Mapping

Message = Dict[str, Any]

_HEADER = struct.Struct(">I")

#: Bytes in the largest frame either side accepts unless told otherwise (256 MiB).
MAX_FRAME = 256 * 1024 * 1024

#: Bytes asked from the kernel at once.
_CHUNK = 1024 * 1024


class ChannelClosed(EOFError):
    """Raised when the other side is gone: at the end of the stream, or when writing to a closed one."""


class FrameTooLarge(ValueError):
    """Raised when a frame exceeds the limit; ``size`` is its length in bytes. The channel stays usable."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"A message of {size} bytes exceeds the limit of {limit} bytes.")
        self.size = size
        self.limit = limit


class RequestFailed(Exception):
    """Raised by :meth:`Channel.request` when the other side answered with an error: its sentence."""


class Channel:
    """One end of a conversation. Every method may be called from any thread.

    There is no reader thread: whichever thread waits reads for all of them, so that a process made by
    ``fork`` needs nothing restarted.
    """

    def __init__(self, fd: int, write_fd: int | None = None, *, limit: int = MAX_FRAME) -> None:
        """``fd`` is a connected stream socket, or the reading end of a pipe with ``write_fd`` the writing end
        of another. ``limit`` is the largest frame in bytes. The channel owns the descriptors.
        """
        self._read_fd = fd
        self._write_fd = fd if write_fd is None else write_fd
        self._limit = limit
        self._sending = threading.Lock()
        self._state = threading.Condition()
        self._reading = False
        self._ended = False
        self._next_id = 0
        self._inbox: list[Message] = []
        self._replies: dict[int, Message | None] = {}

    def fileno(self) -> int:
        """The descriptor that is readable when something arrived, for ``select``."""
        return self._read_fd

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message. Raises TypeError when it is not JSON, FrameTooLarge, or ChannelClosed."""
        self.send_json(dumps(message).encode("utf-8"))

    def send_json(self, body: bytes) -> None:
        """Send the message of which ``body`` is the JSON text. Raises FrameTooLarge, or ChannelClosed."""
        if len(body) > self._limit:
            raise FrameTooLarge(len(body), self._limit)
        with self._sending:
            try:
                _write_all(self._write_fd, _HEADER.pack(len(body)) + body)
            except OSError as error:
                raise ChannelClosed(f"The other side of the channel is gone: {error}") from error

    def receive(self, timeout: float | None = None) -> Message | None:
        """The next request or one-way message; None when ``timeout`` seconds pass without one.

        Raises ChannelClosed at the end of the stream, and FrameTooLarge for a frame that was skipped.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._state:
            while not self._inbox:
                if not self._advance(deadline):
                    return None
            return self._inbox.pop(0)

    def request(self, method: str, **arguments: Any) -> Any:
        """Call ``method`` of the other side and wait for its answer.

        Raises RequestFailed with its sentence, TypeError when an argument is not JSON, or ChannelClosed.
        """
        with self._state:
            self._next_id += 1
            number = self._next_id
            self._replies[number] = None
        try:
            self.send({"id": number, "method": method, "arguments": arguments})
            reply = self._reply_to(number)
        finally:
            with self._state:
                del self._replies[number]
        if "error" in reply:
            raise RequestFailed(str(reply["error"]))
        return reply.get("result")

    def answer(self, request: Mapping[str, Any], result: Any = None) -> None:
        """Answer a received ``request`` with ``result``, any JSON value."""
        self.send({"reply": request["id"], "result": result})

    def refuse(self, request: Mapping[str, Any], sentence: str) -> None:
        """Answer a received ``request`` with an error, a sentence for its author."""
        self.send({"reply": request["id"], "error": sentence})

    def close(self) -> None:
        """Close the descriptors. Idempotent."""
        with self._sending:
            for fd in {self._read_fd, self._write_fd} - {-1}:
                close(fd)
            self._read_fd = self._write_fd = -1

    def _reply_to(self, number: int) -> Message:
        with self._state:
            while True:
                reply = self._replies[number]
                if reply is not None:
                    return reply
                self._advance(None)

    def _advance(self, deadline: float | None) -> bool:
        """With the state held: let a frame arrive, read by this thread or another; False when time is up."""
        if self._ended:
            raise ChannelClosed("The other side of the channel has closed it.")
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0 and not self._readable(0):
            return False
        if self._reading:
            self._state.wait(left)
            return deadline is None or time.monotonic() < deadline
        self._reading = True
        self._state.release()
        message = None
        ended = False
        try:
            if not self._readable(left):
                return False
            message = self._read_frame()
        except ChannelClosed:
            ended = True
            raise
        finally:
            self._state.acquire()
            self._reading = False
            self._ended = self._ended or ended
            if message is not None:
                self._deliver(message)
            self._state.notify_all()
        return True

    def _deliver(self, message: Message) -> None:
        number = message.get("reply")
        if number is None:
            self._inbox.append(message)
        elif number in self._replies:
            self._replies[number] = message

    def _readable(self, seconds: float | None) -> bool:
        if seconds is None:
            return True
        poller = select.poll()
        poller.register(self._read_fd, select.POLLIN | select.POLLHUP)
        return bool(poller.poll(max(0.0, seconds) * 1000))

    def _read_frame(self) -> Message:
        (size,) = _HEADER.unpack(_read_exactly(self._read_fd, _HEADER.size))
        if size > self._limit:
            _skip(self._read_fd, size)
            raise FrameTooLarge(size, self._limit)
        message = loads(_read_exactly(self._read_fd, size).decode("utf-8"))
        if not isinstance(message, dict):
            raise ValueError(f"A message must be a JSON object, not {type(message).__name__}.")
        return message


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[write(fd, view) :]


def _read_some(fd: int, size: int) -> bytes:
    try:
        data = read(fd, min(size, _CHUNK))
    except OSError as error:
        raise ChannelClosed(f"The other side of the channel is gone: {error}") from error
    if not data:
        raise ChannelClosed("The other side of the channel has closed it.")
    return data


def _read_exactly(fd: int, size: int) -> bytes:
    parts = []
    while size:
        parts.append(_read_some(fd, size))
        size -= len(parts[-1])
    return b"".join(parts)


def _skip(fd: int, size: int) -> None:
    while size:
        size -= len(_read_some(fd, size))
