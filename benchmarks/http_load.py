"""A cheap load of POSTs: prepared bytes over a few keep-alive connections, in a process of its own.

It shares the machine's cores with the platform, so it does as little as it can for each answer.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from typing import cast
from urllib.parse import urlsplit

import uvloop

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


class _Connection(asyncio.Protocol):
    """From ``post`` on posts the next request as soon as the last is answered, until there are none."""

    def __init__(self, requests: list[bytes], taken: list[float], statuses: dict[int, int]) -> None:
        self._requests = requests
        self._taken = taken
        self._statuses = statuses
        self._received = b""
        #: Resolves when there is nothing left to post, or with what broke the connection.
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def post(self) -> None:
        """Post the next request."""
        if not self._requests:
            self.done.set_result(None)
            self._transport.close()
            return
        self._started = time.perf_counter()
        self._transport.write(self._requests.pop())

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(_END_OF_HEAD)
        if end < 0:
            return
        head = self._received[:end]
        place = head.lower().find(_LENGTH)
        length = 0 if place < 0 else int(head[place + len(_LENGTH) :].split(b"\r\n", 1)[0])
        if len(self._received) < end + len(_END_OF_HEAD) + length:
            return
        self._received = b""
        self._taken.append(time.perf_counter() - self._started)
        status = int(head[9:12])
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self.post()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("The server closed the connection."))


async def _load(url: str, token: str, bodies: list[bytes], connections: int) -> dict[str, object]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    requests = [
        (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nX-Auth-Token: {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        + body
        for body in bodies
    ]
    taken: list[float] = []
    statuses: dict[int, int] = {}
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(
            lambda: _Connection(requests, taken, statuses), parts.hostname, parts.port
        )
        for _ in range(connections)
    ]
    # Whoever sends much keeps its connections; opening them is not what is measured.
    started = time.perf_counter()
    for _, protocol in opened:
        protocol.post()
    await asyncio.gather(*(protocol.done for _, protocol in opened))
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "rate": len(taken) / seconds,
        "p50_ms": statistics.median(taken) * 1000,
        "p99_ms": sorted(taken)[int(len(taken) * 0.99)] * 1000,
        "statuses": statuses,
    }


def main() -> None:
    """Read ``{url, token, bodies, connections, at}`` as JSON from stdin, print the figures as JSON.

    ``at`` is when (seconds since 1970) whoever asks began to; ``preparing`` is how long it took to be ready to post.
    """
    asked = json.load(sys.stdin)
    bodies = [json.dumps(body).encode() for body in asked["bodies"]]
    preparing = time.time() - asked["at"]
    done = uvloop.run(_load(asked["url"], asked["token"], bodies, asked["connections"]))
    print(json.dumps({**done, "preparing": preparing}))


if __name__ == "__main__":
    main()
