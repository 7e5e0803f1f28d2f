"""A Redis of our own, empty and without a disk."""

from __future__ import annotations

from tests.servers.process import Server, Yard, free_port, listens
from tests.servers.programs import REDIS


class Redis:
    """A running Redis; after ``stop`` and ``start`` it is empty, on the same port."""

    def __init__(self, yard: Yard) -> None:
        command = REDIS.require()
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._server = Server(
            yard,
            [command, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            room=yard.room("redis"),
            ready=lambda: listens(self.port),
        )
        self._server.start()

    def start(self) -> None:
        """Start it again on the same port, unless it runs."""
        self._server.start()

    def stop(self, *, kill: bool = False) -> None:
        """Stop it, or with ``kill`` let it crash."""
        self._server.stop(kill=kill)
