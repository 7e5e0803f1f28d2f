"""Who is asking: a token on every request but those for the health of the server.

Where a token may stand, strongest first: ``X-Auth-Token``, ``St2-Api-Key``, ``Authorization: Bearer``,
``Authorization: Basic`` (as the password, for monitoring systems that know nothing else), and the query
parameters ``x-auth-token`` and ``st2-api-key`` (StackStorm 1.12). Tokens are never logged.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Callable, Mapping
from typing import Annotated
from urllib.parse import parse_qs

from anyio import to_thread
from fastapi import Depends
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from st_ops.api.answers import fault
from st_ops.errors import Unauthorized, Unavailable
from st_ops.security.tokens import Identity

#: Paths (after normalising) that need no token.
OPEN_PATHS = frozenset({"/health/live", "/health/ready"})

#: Seconds a checked token is taken without asking again, so that a webhook costs no thread switch.
_REMEMBER_SECONDS = 1.0
_REMEMBER_MOST = 10_000

_MISSING = (
    "This needs a token: send it as 'X-Auth-Token: <token>', 'Authorization: Bearer <token>', "
    "'St2-Api-Key: <token>', or as the password of basic authentication."
)


def token_in(headers: Mapping[str, str], query: bytes) -> tuple[str, str] | None:
    """The token of a request and where it stood (``header`` or ``query-parameter``); None without one.

    ``headers`` have lower-case names, or do not care.
    """
    for name in ("x-auth-token", "st2-api-key"):
        if headers.get(name):
            return headers[name], "header"
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and value:
        return value.strip(), "header"
    if kind.lower() == "basic":
        return _basic_password(value), "header"
    if query:
        parameters = parse_qs(query.decode("latin-1"))
        for name in ("x-auth-token", "st2-api-key"):
            if parameters.get(name):
                return parameters[name][0], "query-parameter"
    return None


def _basic_password(value: str) -> str:
    try:
        plain = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise Unauthorized("The Authorization header is not valid basic authentication.") from exc
    return plain.partition(":")[2]


class Callers:
    """Who sends requests. A token is asked for once a second at most."""

    def __init__(self, check: Callable[[str], Identity]) -> None:
        """``check`` answers whose a token is, may block, and raises Unauthorized and Unavailable."""
        self._check = check
        self._known: dict[str, tuple[float, Identity]] = {}
        #: Tokens that are being asked for: whoever comes meanwhile waits for the same answer.
        self._asking: dict[str, asyncio.Task[Identity]] = {}

    async def of(self, headers: Mapping[str, str], query: bytes) -> tuple[Identity, str]:
        """Who sent a request with these headers and query, and where the token stood.

        Raises Unauthorized without a valid token, Unavailable when it cannot be checked now.
        """
        found = token_in(headers, query)
        if found is None or not found[0]:
            raise Unauthorized(_MISSING)
        token, place = found
        remembered = self._known.get(token)
        if remembered is not None and remembered[0] > time.monotonic():
            return remembered[1], place
        asking = self._asking.get(token)
        if asking is None:
            asking = self._asking[token] = asyncio.create_task(self._ask(token))
            asking.add_done_callback(lambda done: self._asked(token, done))
        # One of those who wait may give up without harm to the others.
        return await asyncio.shield(asking), place

    async def _ask(self, token: str) -> Identity:
        identity = await to_thread.run_sync(self._check, token)
        if len(self._known) > _REMEMBER_MOST:
            self._known.clear()
        self._known[token] = (time.monotonic() + _REMEMBER_SECONDS, identity)
        return identity

    def _asked(self, token: str, done: asyncio.Task[Identity]) -> None:
        del self._asking[token]
        if not done.cancelled():
            # Looked at even when everybody who waited is gone.
            done.exception()


def refusal(exc: Unauthorized | Unavailable) -> Response:
    """The answer to a request whose sender is not known."""
    if isinstance(exc, Unavailable):
        return fault(503, str(exc), headers={"Retry-After": str(exc.retry_after)})
    return fault(401, str(exc), headers={"WWW-Authenticate": 'Bearer realm="st_ops"'})


class Authentication:
    """ASGI middleware: requests without a valid token get 401; others carry ``scope["identity"]``."""

    def __init__(self, app: ASGIApp, callers: Callers, open_prefixes: tuple[str, ...] = ()) -> None:
        self._app = app
        self._callers = callers
        self._open_prefixes = open_prefixes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or self._is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            found = await self._callers.of(Headers(scope=scope), scope.get("query_string", b""))
        except (Unauthorized, Unavailable) as exc:
            await refusal(exc)(scope, receive, send)
            return
        scope["identity"], scope["token_place"] = found
        await self._app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return path in OPEN_PATHS or path.startswith(self._open_prefixes)


async def caller_of(connection: HTTPConnection) -> Identity:
    """Who sent this request."""
    identity = connection.scope["identity"]
    assert isinstance(identity, Identity)
    return identity


#: A route's way to who is asking.
Caller = Annotated[Identity, Depends(caller_of)]
