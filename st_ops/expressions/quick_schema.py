"""A JSON schema as a plain function that says "surely valid" in microseconds.

Nearly everything that arrives is valid, and the full validator costs a multiple of the rest of an event's way in.
What this cannot vouch for goes to the full validator, which knows the whole language and words the complaint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jsonschema import Draft4Validator

#: True: the value surely keeps to the schema. False: ask the full validator.
QuickCheck = Callable[[Any], bool]

#: The JSON types by the exact Python types that JSON is read as.
_TYPES: dict[str, frozenset[type]] = {
    "string": frozenset({str}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "boolean": frozenset({bool}),
    "null": frozenset({type(None)}),
    "object": frozenset({dict}),
    "array": frozenset({list}),
}
_KNOWN = frozenset({"type", "properties", "required", "items", "additionalProperties"})
#: Every other keyword that is checked; what is none (``description``, ``secret``, or ``format`` without a checker for
#: it) is a note.
_UNKNOWN = frozenset(Draft4Validator.VALIDATORS) - _KNOWN - {"format"}


def compiled(schema: Any) -> QuickCheck | None:
    """The check of a draft 4 ``schema``; None when it says something that only the full validator knows."""
    if not isinstance(schema, Mapping) or not _UNKNOWN.isdisjoint(schema):
        return None
    named = schema.get("type", list(_TYPES))
    listed = [named] if isinstance(named, str) else named
    if not isinstance(listed, list) or not all(isinstance(name, str) and name in _TYPES for name in listed):
        return None
    types = frozenset().union(*(_TYPES[name] for name in listed))
    inner: dict[type, QuickCheck] = {}
    for kind, keywords, make in (
        (dict, ("properties", "required", "additionalProperties"), _of_object),
        (list, ("items",), _of_array),
    ):
        if kind in types and not schema.keys().isdisjoint(keywords):
            check = make(schema)
            if check is None:
                return None
            inner[kind] = check
    if not inner:
        return lambda value: type(value) in types

    def whole(value: Any) -> bool:
        kind = type(value)
        check = inner.get(kind)
        return kind in types and (check is None or check(value))

    return whole


def _of_object(schema: Mapping[str, Any]) -> QuickCheck | None:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    further = schema.get("additionalProperties", True)
    if not isinstance(properties, Mapping) or not isinstance(required, list) or not isinstance(further, bool):
        return None
    checks: dict[str, QuickCheck] = {}
    for name, child in properties.items():
        check = compiled(child)
        if check is None:
            return None
        checks[name] = check

    def keeps(value: dict[str, Any]) -> bool:
        for name in required:
            if name not in value:
                return False
        for name, item in value.items():
            check = checks.get(name)
            if not (further if check is None else check(item)):
                return False
        return True

    return keeps


def _of_array(schema: Mapping[str, Any]) -> QuickCheck | None:
    check = compiled(schema["items"])
    return None if check is None else lambda value: all(check(item) for item in value)
