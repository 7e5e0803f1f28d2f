"""An HTTP endpoint on loopback that answers as a test says and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Endpoint:
    """``answers`` are used one after another, the last one again and again; ``asked`` is what came."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], str]] = [(200, {}, "ok")]
        self.asked: list[tuple[str, str, Any]] = []
        self.url = ""

    def answer(self, status: int, body: str = "", **headers: str) -> None:
        """Answer everything with this from now on."""
        self.answers[:] = [(status, headers, body)]

    def next_answer(self) -> tuple[int, dict[str, str], str]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """A running endpoint."""
    subject = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            subject.asked.append((self.command, self.path, json.loads(body) if body else None))
            status, headers, text = subject.next_answer()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text))}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET  # noqa: N815 - the name is http.server's

        def log_message(self, *_arguments: Any) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    subject.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield subject
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
