"""Prometheus' Alertmanager, which groups alerts and posts real webhooks."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from tests.servers.process import Server, Yard, free_port
from tests.servers.programs import ALERTMANAGER


class Alertmanager:
    """A running Alertmanager with the given configuration file ``config`` (YAML text)."""

    def __init__(self, yard: Yard, config: str) -> None:
        command = ALERTMANAGER.require()
        room = yard.room("alertmanager")
        (room / "alertmanager.yml").write_text(config)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._server = Server(
            yard,
            [
                command,
                f"--config.file={room / 'alertmanager.yml'}",
                f"--storage.path={room / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                # No gossip: one node, nothing on the network.
                "--cluster.listen-address=",
            ],
            room=room,
            ready=self._answers,
        )
        self._server.start()

    def post_alerts(self, alerts: list[dict[str, Any]]) -> None:
        """Hand it ``alerts`` as Prometheus would: each with ``labels``, ``annotations``, ``startsAt``, ``endsAt``."""
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts",
            data=json.dumps(alerts).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):
            pass

    def stop(self, *, kill: bool = False) -> None:
        """Stop it."""
        self._server.stop(kill=kill)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
