"""What the body of a webhook says: pure functions from headers and bytes to events."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson

from st_ops.errors import InvalidInput
from st_ops.model.events import NewEvent

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


def parse_body(headers: Mapping[str, str], raw: bytes) -> Any:
    """A body as JSON, or as a form's fields. Raises InvalidInput.

    Whatever is no form is read as JSON: several monitoring systems send JSON as ``text/plain``, and curl says
    that it sends a form unless told otherwise.
    """
    said = headers.get("content-type", "").partition(";")[0].strip().lower()
    if said == "application/x-www-form-urlencoded" and not raw.lstrip().startswith((b"{", b"[")):
        try:
            fields = parse_qs(raw.decode(), keep_blank_values=True, strict_parsing=bool(raw))
        except ValueError as exc:
            raise InvalidInput(f"The body is not a valid form: {exc}.", where="body") from exc
        return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise InvalidInput(f"The body is not valid JSON: {exc}.", where="body") from exc


def payload_of(headers: Mapping[str, str], body: Any) -> dict[str, Any]:
    """The payload of core.st2.webhook: body and headers. Raises InvalidInput. ``headers`` have lower-case names."""
    if not isinstance(body, (dict, list)):
        raise InvalidInput("The body must be a JSON object or array.", where="body")
    kept = {name: value for name, value in headers.items() if name not in _SECRET_HEADERS}
    return {
        "headers": {_usual(name): value for name, value in kept.items()},
        "headers_lower": kept,
        "body": body,
    }


@functools.lru_cache(maxsize=1024)
def _usual(name: str) -> str:
    """A header's name as it is usually written: HTTP servers hand it over in lower case."""
    return "-".join(part.capitalize() for part in name.split("-"))


def delivery_of(headers: Mapping[str, str]) -> str | None:
    """What names this delivery, when its sender says."""
    return headers.get("x-delivery-id") or headers.get("idempotency-key")


def named_event(name: str, ref: str, payload: dict[str, Any], headers: Mapping[str, str]) -> NewEvent:
    """The event of trigger ``ref`` that a post to the webhook ``name`` makes."""
    delivery = delivery_of(headers)
    return NewEvent(
        trigger=ref, payload=payload, delivery=delivery and f"webhook/{name}/{ref}/{delivery}",
        trace_tag=headers.get("st2-trace-tag", ""), source=f"webhook {name}",
    )  # fmt: skip


def any_event(body: Any, headers: Mapping[str, str], user: str) -> NewEvent:
    """The event that ``{trigger, payload}`` asks for. Raises InvalidInput."""
    if not isinstance(body, dict) or not isinstance(body.get("trigger"), str):
        raise InvalidInput(
            "The body must be an object with 'trigger' (a ref) and 'payload' (an object).", where="trigger"
        )
    payload = body.get("payload") or {}
    if not isinstance(payload, dict):
        raise InvalidInput("'payload' must be an object.", where="payload")
    delivery = delivery_of(headers)
    return NewEvent(
        trigger=body["trigger"], payload=payload, delivery=delivery and f"webhook/{ANY_TRIGGER}/{delivery}",
        trace_tag=headers.get("st2-trace-tag") or str(body.get("trace_tag") or ""), source=f"api {user}",
    )  # fmt: skip
