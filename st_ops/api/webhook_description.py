"""What ``/openapi.json`` says of posting to webhooks, which happens past the framework."""

from __future__ import annotations

from typing import Any

_FAULT = {"type": "object", "properties": {"faultstring": {"type": "string"}}}


def _answer(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


_ACCEPTED = {
    "type": "object",
    "properties": {
        "id": {"type": ["string", "null"], "description": "Id of the first trigger instance."},
        "ids": {"type": "array", "items": {"type": "string"}, "description": "One per event."},
        "duplicate": {"type": "boolean", "description": "True when every event had been accepted before."},
    },
}
_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
_DELIVERY = {
    "name": "X-Delivery-Id", "in": "header", "required": False, "schema": {"type": "string"},
    "description": "A delivery sent again under the same id is dropped and answered with the first id.",
}  # fmt: skip

PATHS: dict[str, Any] = {
    "/webhooks/{name}": {
        "post": {
            "tags": ["webhooks"],
            "summary": "Send events in",
            "description": "A name that rules give (core.st2.webhook), a built-in source such as alertmanager, "
            "or st2 with a body of trigger and payload. The answer comes once the events are on disk.",
            "parameters": [_NAME, _DELIVERY],
            "requestBody": {"content": {"application/json": {"schema": {}}}},
            "responses": {
                "202": _answer("Accepted.", _ACCEPTED),
                "400": _answer("The body is not what it should be.", _FAULT),
                "404": _answer("No rule names this webhook.", _FAULT),
                "413": _answer("The body is too large.", _FAULT),
                "503": _answer("The store is away; try again after Retry-After seconds.", _FAULT),
            },
        }
    },
}
