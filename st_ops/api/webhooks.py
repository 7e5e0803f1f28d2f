"""``POST /webhooks/{name}``: events from the outside, answered in milliseconds, once they are safe on disk.

The way of a body is short on purpose: the server calls this directly, past the framework and its middleware, and
there is no thread switch and one commit shared with whoever posts at the same moment. What is refused is counted
and kept.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from anyio import to_thread
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from st_ops.api.answers import encode, fault
from st_ops.api.arrivals import Arrivals
from st_ops.api.auth import Callers, refusal
from st_ops.api.faults import bug
from st_ops.api.middleware import normal_path, note_request, request_id_of
from st_ops.api.rejections import Rejections
from st_ops.api.services import ApiServices
from st_ops.api.webhook_bodies import ANY_TRIGGER, any_event, named_event, parse_body, payload_of
from st_ops.api.webhook_names import WebhookNames
from st_ops.errors import NotFound, StOpsError, TooLarge, Unauthorized, Unavailable
from st_ops.metrics import Metrics
from st_ops.model.events import Accepted, NewEvent

#: How the figures call the path.
PATTERN = "/webhooks/{name:path}"


def is_webhook(scope: Scope) -> bool:
    """True for what ``Webhooks`` answers: a POST to some webhook."""
    return (
        scope["type"] == "http"
        and scope["method"] == "POST"
        and "/webhooks/" in scope["path"]
        and normal_path(scope["path"]).startswith("/webhooks/")
    )


class Webhooks:
    """The ASGI application that takes events."""

    def __init__(
        self,
        services: ApiServices,
        names: WebhookNames,
        callers: Callers,
        metrics: Metrics,
        rejections: Rejections,
    ) -> None:
        self._intake = services.intake
        self._catalog = services.catalog
        self._sources = services.sources
        self._limit = services.settings.intake.max_body_bytes
        self._names = names
        self._callers = callers
        self._metrics = metrics
        self._rejections = rejections
        self._arrivals: Arrivals[Accepted] = Arrivals()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one POST; never raises but when the connection breaks."""
        started = time.perf_counter()
        headers = _headers(scope)
        identifier = request_id_of(headers.get("x-request-id", ""))
        path = normal_path(scope["path"])
        try:
            answer = await self._answer(scope, receive, headers, path.removeprefix("/webhooks/"))
        except Exception as exc:  # noqa: BLE001 - the edge of a request: a bug is logged with its traceback
            answer = bug("POST", path, identifier, exc)
        await _send(send, answer, identifier)
        seconds = time.perf_counter() - started
        note_request("POST", path, answer.status_code, seconds, identifier)
        self._metrics.observe_request("POST", PATTERN, answer.status_code, seconds)

    async def _answer(
        self, scope: Scope, receive: Receive, headers: Mapping[str, str], name: str
    ) -> Response:
        """202 with the ids of the events, all of them committed; or why not."""
        try:
            identity, _ = await self._callers.of(headers, scope.get("query_string", b""))
        except Unauthorized as exc:
            self._rejections.count("webhook", 401)
            return refusal(exc)
        except Unavailable as exc:
            return refusal(exc)
        body = bytearray()
        try:
            await self._read(headers, receive, body)
            events = await self._events(headers, name, bytes(body), identity.user)
            return _accepted(await self._accept(events))
        except ClientDisconnect:
            # Nobody is there to be answered; whoever sends will send again.
            self._rejections.count(f"webhook {name}", 400)
            return fault(400, "The sender went away before its body was complete.")
        except Unavailable as exc:
            return refusal(exc)
        except StOpsError as exc:
            await self._rejections.keep(f"webhook {name}", exc.status_code, str(exc), bytes(body))
            return fault(exc.status_code, str(exc))

    async def _read(self, headers: Mapping[str, str], receive: Receive, body: bytearray) -> None:
        """Read into ``body`` while it arrives. Raises TooLarge as soon as it is, ClientDisconnect."""
        announced = headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._limit:
            raise self._too_large(int(announced))
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            if len(body) > self._limit:
                raise self._too_large(len(body))
            more = message.get("more_body", False)

    def _too_large(self, size: int) -> TooLarge:
        return TooLarge(
            f"The body has {size} bytes or more; at most {self._limit} are taken (setting intake.max_body_bytes)."
        )

    async def _events(self, headers: Mapping[str, str], name: str, raw: bytes, user: str) -> list[NewEvent]:
        """What one body says. Raises NotFound for a webhook nobody named, InvalidInput for a body that is wrong."""
        if name == ANY_TRIGGER:
            return [any_event(parse_body(headers, raw), headers, user)]
        source = self._sources.get(name)
        events = [] if source is None else source.parse(headers, raw)
        triggers = await self._names.triggers_of(name)
        if source is None and not triggers:
            raise await self._names.unknown(name)
        if triggers:
            payload = payload_of(headers, parse_body(headers, raw))
            events += [named_event(name, ref, payload, headers) for ref in triggers]
        return events

    async def _accept(self, events: Sequence[NewEvent]) -> list[Accepted]:
        """Hand all to intake, or none when one is wrong, before waiting: they share a commit; answers after it."""
        try:
            futures = self._intake.accept_all(events)
        except NotFound:
            # The registry may have changed this very moment; what intake knows is as old as the last look.
            await to_thread.run_sync(self._catalog.current)
            futures = self._intake.accept_all(events)
        return await self._arrivals.all_of(futures)


def _accepted(accepted: Sequence[Accepted]) -> Response:
    ids = [entry.id for entry in accepted]
    duplicate = bool(accepted) and all(entry.duplicate for entry in accepted)
    body = encode({"id": ids[0] if ids else None, "ids": ids, "duplicate": duplicate})
    return Response(body, status_code=202, media_type="application/json")


def _headers(scope: Scope) -> dict[str, str]:
    """The headers by lower-case name; of several of one name the first counts."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return found


async def _send(send: Send, answer: Response, identifier: str) -> None:
    headers = [*answer.raw_headers, (b"x-request-id", identifier.encode())]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
