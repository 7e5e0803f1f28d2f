"""Webhooks: events from the outside, answered in milliseconds, once they are safe on disk.

The way of a body is short on purpose: no model, no thread switch, one commit shared with whoever posts at the
same moment. What is refused is counted and kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import orjson
from anyio import to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from st_ops.api.answers import Json, fault
from st_ops.api.metrics import Metrics
from st_ops.api.rejections import Rejections
from st_ops.api.services import ApiServices
from st_ops.errors import InvalidInput, NotFound, StOpsError, TooLarge, Unavailable
from st_ops.model.events import Accepted, NewEvent, trigger_ref_for
from st_ops.packs.catalog import Snapshot

#: The trigger type of webhooks that rules name.
WEBHOOK_TYPE = "core.st2.webhook"
#: The webhook that takes any trigger: ``{trigger, payload}``.
ANY_TRIGGER = "st2"

#: Never part of a payload (StackStorm 1.5).
_SECRET_HEADERS = frozenset(
    {
        "authorization",
        "cookie",
        "proxy-authorization",
        "st2-api-key",
        "st2-auth-token",
        "x-auth-token",
        "x-api-key",
    }
)


class _PlainRoute(Route):
    """A route that leaves its name in the scope, for the figures."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        return match, {**child, "route": self}


class Webhooks:
    """The webhooks of one API process."""

    def __init__(self, services: ApiServices, metrics: Metrics, rejections: Rejections) -> None:
        self._services = services
        self._metrics = metrics
        self._rejections = rejections
        self._limit = services.settings.intake.max_body_bytes
        self._names: tuple[int, dict[str, list[str]]] = (-1, {})

    def routes(self) -> list[BaseRoute]:
        """The routes, plain ones: nothing stands between the server and these functions."""
        return [
            _PlainRoute("/webhooks", self.list_all, methods=["GET"]),
            _PlainRoute("/webhooks/{name:path}", self.post, methods=["POST"]),
            _PlainRoute("/webhooks/{name:path}", self.get, methods=["GET"]),
        ]

    async def list_all(self, request: Request) -> Response:
        """``GET /webhooks``: the names there are."""
        found = [self._describe(name) for name in await self._all_names()]
        headers = {"X-Total-Count": str(len(found)), "X-Limit": str(len(found))}
        return Json(found, headers=headers)

    async def get(self, request: Request) -> Response:
        """``GET /webhooks/{name}``: one of them."""
        name = request.path_params["name"].strip("/")
        if name not in await self._all_names():
            return fault(404, self._unknown(name, await self._all_names()))
        return Json(self._describe(name))

    async def post(self, request: Request) -> Response:
        """``POST /webhooks/{name}``: 202 with the ids of the events, all of them committed."""
        name = request.path_params["name"].strip("/")
        body = bytearray()
        try:
            await self._read(request, body)
            events = await self._events(request, name, bytes(body))
            accepted = await self._accept(events)
        except ClientDisconnect:
            # Nobody is there to be answered; whoever sends will send again.
            self._rejections.count(f"webhook {name}", 400)
            return fault(400, "The sender went away before its body was complete.")
        except Unavailable as exc:
            return fault(503, str(exc), headers={"Retry-After": str(exc.retry_after)})
        except StOpsError as exc:
            await self._rejections.keep(f"webhook {name}", exc.status_code, str(exc), bytes(body))
            return fault(exc.status_code, str(exc))
        return self._answer(name, accepted)

    def _answer(self, name: str, accepted: Sequence[Accepted]) -> Response:
        duplicates = sum(entry.duplicate for entry in accepted)
        if duplicates:
            self._metrics.duplicates.labels(f"webhook {name}").inc(duplicates)
        if len(accepted) > duplicates:
            self._metrics.accepted.labels(f"webhook {name}").inc(len(accepted) - duplicates)
        ids = [entry.id for entry in accepted]
        duplicate = bool(accepted) and duplicates == len(accepted)
        return Json({"id": ids[0] if ids else None, "ids": ids, "duplicate": duplicate}, status_code=202)

    async def _read(self, request: Request, body: bytearray) -> None:
        """Read into ``body`` while it arrives. Raises TooLarge as soon as it is."""
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._limit:
            raise self._too_large(int(announced))
        async for piece in request.stream():
            body += piece
            if len(body) > self._limit:
                raise self._too_large(len(body))

    def _too_large(self, size: int) -> TooLarge:
        return TooLarge(
            f"The body has {size} bytes or more; at most {self._limit} are taken (setting intake.max_body_bytes)."
        )

    async def _events(self, request: Request, name: str, raw: bytes) -> list[NewEvent]:
        """What one body says. Raises NotFound for a webhook nobody named, InvalidInput for a body that is wrong."""
        tag = request.headers.get("st2-trace-tag", "")
        delivery = request.headers.get("x-delivery-id") or request.headers.get("idempotency-key")
        if name == ANY_TRIGGER:
            return [_any_trigger(parse_body(request.headers, raw), delivery, tag, request)]
        source = self._services.sources.get(name)
        events = [] if source is None else source.parse(dict(request.headers), raw)
        triggers = await self._triggers_of(name)
        if source is None and not triggers:
            raise NotFound("webhook", name, self._unknown_hint(await self._all_names()))
        if triggers:
            payload = _payload(request.headers, parse_body(request.headers, raw))
            events += [_named(name, ref, payload, delivery, tag) for ref in triggers]
        return events

    async def _accept(self, events: Sequence[NewEvent]) -> list[Accepted]:
        """Hand all to intake before waiting, so that they share a commit; answers after it."""
        futures = []
        for event in events:
            try:
                futures.append(self._services.intake.accept(event))
            except NotFound:
                # The registry may have changed this very moment; what intake knows is as old as the last look.
                await to_thread.run_sync(self._services.catalog.current)
                futures.append(self._services.intake.accept(event))
        return [await asyncio.wrap_future(future) for future in futures]

    async def _triggers_of(self, name: str) -> list[str]:
        """The triggers that rules made of this webhook."""
        found = self._known(self._services.catalog.cached()).get(name)
        if found is None and name not in self._services.sources:
            snapshot = await to_thread.run_sync(self._services.catalog.current)
            found = self._known(snapshot).get(name)
        return found or []

    def _known(self, snapshot: Snapshot) -> dict[str, list[str]]:
        version, names = self._names
        if version != snapshot.version:
            names = webhook_triggers(snapshot)
            self._names = (snapshot.version, names)
        return names

    async def _all_names(self) -> list[str]:
        snapshot = await to_thread.run_sync(self._services.catalog.current)
        return sorted({ANY_TRIGGER, *self._services.sources, *self._known(snapshot)})

    def _describe(self, name: str) -> dict[str, Any]:
        kind = (
            "any trigger" if name == ANY_TRIGGER else "source" if name in self._services.sources else "rules"
        )
        return {"id": name, "uid": f"webhook:{name}", "url": name, "type": WEBHOOK_TYPE, "kind": kind}

    def _unknown(self, name: str, names: Sequence[str]) -> str:
        return str(NotFound("webhook", name, self._unknown_hint(names)))

    def _unknown_hint(self, names: Sequence[str]) -> str:
        return f"A rule with the trigger {WEBHOOK_TYPE} makes one. Known are: {', '.join(names)}."


def webhook_triggers(snapshot: Snapshot) -> dict[str, list[str]]:
    """Webhook name → the refs of the triggers that rules made of it."""
    found: dict[str, set[str]] = {}
    for rule in snapshot.rules.values():
        url = rule.trigger.parameters.get("url")
        if rule.trigger.type == WEBHOOK_TYPE and isinstance(url, str):
            found.setdefault(url.strip("/"), set()).add(
                trigger_ref_for(WEBHOOK_TYPE, rule.trigger.parameters)
            )
    return {name: sorted(refs) for name, refs in found.items()}


def parse_body(headers: Mapping[str, str], raw: bytes) -> Any:
    """A body as JSON, or as a form's fields. Raises InvalidInput.

    Whatever is no form is read as JSON: several monitoring systems send JSON as ``text/plain``.
    """
    if headers.get("content-type", "").partition(";")[0].strip() == "application/x-www-form-urlencoded":
        try:
            fields = parse_qs(raw.decode(), keep_blank_values=True, strict_parsing=bool(raw))
        except ValueError as exc:
            raise InvalidInput(f"The body is not a valid form: {exc}.", where="body") from exc
        return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise InvalidInput(f"The body is not valid JSON: {exc}.", where="body") from exc


def _payload(headers: Mapping[str, str], body: Any) -> dict[str, Any]:
    if not isinstance(body, (dict, list)):
        raise InvalidInput("The body must be a JSON object or array.", where="body")
    kept = {name: value for name, value in headers.items() if name.lower() not in _SECRET_HEADERS}
    # Names as they are usually written: HTTP servers hand them over in lower case.
    usual = {"-".join(part.capitalize() for part in name.split("-")): value for name, value in kept.items()}
    return {
        "headers": usual,
        "headers_lower": {name.lower(): value for name, value in kept.items()},
        "body": body,
    }


def _named(name: str, ref: str, payload: dict[str, Any], delivery: str | None, tag: str) -> NewEvent:
    return NewEvent(
        trigger=ref, payload=payload, delivery=delivery and f"webhook/{name}/{ref}/{delivery}", trace_tag=tag,
        source=f"webhook {name}",
    )  # fmt: skip


def _any_trigger(body: Any, delivery: str | None, tag: str, request: Request) -> NewEvent:
    if not isinstance(body, dict) or not isinstance(body.get("trigger"), str):
        raise InvalidInput(
            "The body must be an object with 'trigger' (a ref) and 'payload' (an object).", where="trigger"
        )
    payload = body.get("payload") or {}
    if not isinstance(payload, dict):
        raise InvalidInput("'payload' must be an object.", where="payload")
    user = request.scope["identity"].user
    return NewEvent(
        trigger=body["trigger"], payload=payload, delivery=delivery and f"webhook/{ANY_TRIGGER}/{delivery}",
        trace_tag=tag or str(body.get("trace_tag") or ""), source=f"api {user}",
    )  # fmt: skip
