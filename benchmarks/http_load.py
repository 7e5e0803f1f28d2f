"""A cheap load of POSTs: prepared bytes over a few keep-alive connections, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from urllib.parse import urlsplit


async def _connection(
    host: str, port: int, requests: list[bytes], taken: list[float], statuses: dict[int, int]
) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    while requests:
        request = requests.pop()
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            ),
            0,
        )
        await reader.readexactly(length)
        taken.append(time.perf_counter() - started)
        status = int(head[9:12])
        statuses[status] = statuses.get(status, 0) + 1
    writer.close()


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
    started = time.perf_counter()
    await asyncio.gather(
        *(_connection(parts.hostname, parts.port, requests, taken, statuses) for _ in range(connections))
    )
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
    done = asyncio.run(_load(asked["url"], asked["token"], bodies, asked["connections"]))
    print(json.dumps({**done, "preparing": preparing}))


if __name__ == "__main__":
    main()
