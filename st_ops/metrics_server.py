"""``GET /metrics`` of a process that serves no API: its own figures, and those of the store."""

from __future__ import annotations

import threading
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server

from st_ops.errors import UserError
from st_ops.metrics import Metrics
from st_ops.settings import MetricsSettings
from st_ops.store.database import Database
from st_ops.store.figures import StoredFigures


class MetricsServer:
    """Answers from ``open`` to ``close``."""

    def __init__(self, metrics: Metrics, database: Database, settings: MetricsSettings) -> None:
        self._metrics = metrics
        self._settings = settings
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None
        metrics.registry.register(StoredFigures(database))

    def open(self) -> None:
        """Listen. Raises UserError when the address is taken."""
        bind, port = self._settings.bind, self._settings.port
        try:
            self._server, self._thread = start_http_server(port, bind, registry=self._metrics.registry)
        except OSError as exc:
            hint = "Name another with --metrics-port or the setting metrics.port."
            raise UserError(f"Figures cannot be shown on {bind}:{port}: {exc.strerror}. {hint}") from exc

    def close(self) -> None:
        """Stop listening. Idempotent."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = None
