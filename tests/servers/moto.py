"""An AWS on loopback: moto's server in a child process, reached over real HTTP."""

from __future__ import annotations

import sys
import urllib.request

from tests.servers.process import Server, Yard, free_port, listens


class Moto:
    """A running moto server; ``url`` is boto3's ``endpoint_url``, ``environment`` what a boto3 child needs."""

    region = "eu-central-1"

    def __init__(self, yard: Yard) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._server = Server(
            yard,
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            room=yard.room("moto"),
            ready=lambda: listens(port),
        )
        self._server.start()

    def reset(self) -> None:
        """Forget every resource."""
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")
        with urllib.request.urlopen(request, timeout=10):
            pass
