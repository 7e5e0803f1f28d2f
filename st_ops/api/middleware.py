"""What every request passes on its way in: one form of its path, an id, a line in the log, a count."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from st_ops.logs import facts
from st_ops.model.identity import new_id

log = logging.getLogger(__name__)

#: Every route exists with and without the version; behind StackStorm's nginx there is one more prefix.
_PREFIX = re.compile(r"^(?:/(?:api|auth|stream)(?=/v1(?:/|$)))?/v1(?=/|$)")
#: What a request id of the caller's may look like; anything else is replaced, so that none forges log lines.
_REQUEST_ID = re.compile(r"^[\w.:-]{1,128}$")

#: Told about every answered request: method, path as routed, status, seconds.
Observer = Callable[[str, str, int, float], None]


def normal_path(path: str) -> str:
    """``/v1/actionexecutions/`` as ``/executions``: the one form in which routes are declared."""
    path = _PREFIX.sub("", path).rstrip("/") or "/"
    if path.startswith("/actionexecutions") and path[17:18] in ("", "/"):
        path = "/executions" + path[17:]
    return path


def request_id_of(given: str) -> str:
    """The id of a request: the caller's, when it is fit for a line in the log, else a new one."""
    return given if _REQUEST_ID.match(given) else new_id()


def note_request(method: str, path: str, status: int, seconds: float, identifier: str) -> None:
    """The line in the log about one answered request."""
    level = logging.ERROR if status >= 500 else logging.DEBUG
    if log.isEnabledFor(level):
        text = "%s %s: %d in %.1f ms"
        log.log(level, text, method, path, status, seconds * 1000, extra=facts(request_id=identifier))


class Paths:
    """Routes are declared once; this brings the other forms of a path to that one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            path = normal_path(scope["path"])
            # In place: whoever stands further out sees which route was taken.
            scope.update(path=path, raw_path=path.encode())
        await self._app(scope, receive, send)


class Requests:
    """Gives each request an id (the caller's, when it sent one), echoes it, and tells the log and the observer.

    The line in the log has no query string: a token may stand there.
    """

    def __init__(self, app: ASGIApp, observe: Observer | None = None) -> None:
        self._app = app
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identifier = request_id_of(Headers(scope=scope).get("x-request-id", ""))
        scope["request_id"] = identifier
        started = time.perf_counter()
        status = 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = identifier
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        finally:
            seconds = time.perf_counter() - started
            self._note(scope, status, seconds, identifier)

    def _note(self, scope: Scope, status: int, seconds: float, identifier: str) -> None:
        note_request(scope["method"], scope["path"], status, seconds, identifier)
        if self._observe is not None:
            route = scope.get("route")
            self._observe(scope["method"], getattr(route, "path", "other"), status, seconds)
