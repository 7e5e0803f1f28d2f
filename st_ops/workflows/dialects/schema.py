"""The form of an Orquesta workflow as JSON schema (draft 4), for syntax checks and their ``schema_path``."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string", "minLength": 1}
_NATURAL = {"type": "integer", "minimum": 0}
_TEXT_OR_NATURAL = {"oneOf": [_TEXT, _NATURAL]}
_ANYTHING = {
    "anyOf": [
        {"type": kind} for kind in ("null", "array", "boolean", "integer", "number", "object", "string")
    ]
}
_VALUES = {"type": "object", "minProperties": 1, "patternProperties": {r"^\w+$": _ANYTHING}}
_PAIR = {**_VALUES, "maxProperties": 1}


def _unique(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "uniqueItems": True, "minItems": 1}


def _closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


#: An expression alone, or names and ``in`` before it.
ITEMS_PATTERN = (
    r"^(\s+)?(<%.*?%>|{{.*?}})(\s+)?$|^(\s+)?((\w+,\s?|\s+)+)?(\w+)\s+in\s+(<%.*?%>|{{.*?}})(\s+)?$"
)

_TRANSITION = _closed(
    when=_TEXT,
    publish={"oneOf": [_TEXT, _unique(_PAIR)]},
    do={"oneOf": [_TEXT, _unique(_TEXT)]},
)

_TASK = _closed(
    delay=_TEXT_OR_NATURAL,
    join={"oneOf": [{"enum": ["all"]}, _NATURAL]},
    action=_TEXT,
    input={"oneOf": [_TEXT, _VALUES]},
    retry={**_closed(when=_TEXT, count=_TEXT_OR_NATURAL, delay=_TEXT_OR_NATURAL), "required": ["count"]},
    next={"type": "array", "items": _TRANSITION},
    **{
        "with": _closed(
            items={"type": "string", "minLength": 1, "pattern": ITEMS_PATTERN}, concurrency=_TEXT_OR_NATURAL
        )
    },
)

WORKFLOW: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "version": {"enum": ["1.0", 1.0]},
        "description": _TEXT,
        "tags": _unique(_TEXT),
        "vars": _unique(_PAIR),
        "input": _unique({"oneOf": [_TEXT, _PAIR]}),
        "output": _unique(_PAIR),
        "tasks": {
            "type": "object",
            "minProperties": 1,
            "patternProperties": {r"^\w+$": _TASK},
            "additionalProperties": False,
        },
    },
    "required": ["tasks"],
    "additionalProperties": False,
}
