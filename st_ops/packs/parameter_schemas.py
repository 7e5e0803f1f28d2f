"""StackStorm's dialect of JSON Schema draft 4 for parameters (reference 1.2), checked by a table.

The general validator takes a millisecond a parameter; packs with thousands of actions have tens of thousands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from st_ops.model.base import Object
from st_ops.packs.metadata_keys import type_name
from st_ops.packs.problems import Fault, Keys, did_you_mean

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
PARAMETER_NAME = re.compile(r"^\w+$")

#: Keywords that hold one schema, and those that hold several.
_ONE_INSIDE = frozenset({"items", "additionalItems", "additionalProperties", "not"})
_MANY_INSIDE = frozenset({"properties", "patternProperties", "allOf", "anyOf", "oneOf", "items"})

_Check = tuple[Callable[[Any], bool], str]


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _count(value: Any) -> bool:
    return _number(value) and value >= 0 and int(value) == value


def _regex(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        re.compile(value)
    except re.error:
        return False
    return True


_ANY: _Check = (lambda _value: True, "anything")
_STRING: _Check = (lambda value: isinstance(value, str), "a string")
_BOOLEAN: _Check = (lambda value: isinstance(value, bool), "true or false")
_COUNT: _Check = (_count, "a whole number from 0 up")
_SCHEMA: _Check = (lambda value: isinstance(value, dict), "a schema (a mapping)")
_SCHEMAS: _Check = (
    lambda value: isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value),
    "a list of schemas, not empty",
)
_BY_NAME: _Check = (
    lambda value: isinstance(value, dict) and all(isinstance(v, dict) for v in value.values()),
    "a mapping of names to schemas",
)

#: Keyword → (test, what was expected).
KEYWORDS: dict[str, _Check] = {
    "id": _STRING,
    "$schema": _STRING,
    "title": _STRING,
    "description": _STRING,
    "default": _ANY,
    "type": (lambda value: value in TYPES, f"one of {', '.join(TYPES)}"),
    "enum": (lambda value: isinstance(value, list) and bool(value), "a list of values, not empty"),
    "required": _BOOLEAN,
    "secret": _BOOLEAN,
    "immutable": _BOOLEAN,
    "position": (lambda value: _number(value) and value >= 0, "a number from 0 up"),
    "multipleOf": (lambda value: _number(value) and value > 0, "a number above 0"),
    "minimum": (_number, "a number"),
    "maximum": (_number, "a number"),
    "exclusiveMinimum": _BOOLEAN,
    "exclusiveMaximum": _BOOLEAN,
    "minLength": _COUNT,
    "maxLength": _COUNT,
    "pattern": (_regex, "a regular expression"),
    "format": _STRING,
    "items": (lambda value: _SCHEMA[0](value) or _SCHEMAS[0](value), "a schema or a list of schemas"),
    "additionalItems": (lambda value: isinstance(value, (bool, dict)), "true, false or a schema"),
    "minItems": _COUNT,
    "maxItems": _COUNT,
    "uniqueItems": _BOOLEAN,
    "minProperties": _COUNT,
    "maxProperties": _COUNT,
    "properties": _BY_NAME,
    "patternProperties": _BY_NAME,
    "additionalProperties": (lambda value: isinstance(value, (bool, dict)), "true, false or a schema"),
    "definitions": _BY_NAME,
    "dependencies": (lambda value: isinstance(value, dict), "a mapping"),
    "allOf": _SCHEMAS,
    "anyOf": _SCHEMAS,
    "oneOf": _SCHEMAS,
    "not": _SCHEMA,
}


def check_parameters(parameters: Any, keys: Keys) -> list[Fault]:
    """What is wrong with ``parameters``, a mapping of names to schemas found at ``keys``."""
    faults: list[Fault] = []
    for name, schema in parameters.items():
        place = (*keys, name)
        if not PARAMETER_NAME.match(str(name)):
            faults.append(Fault(place, f"The name '{name}' may have letters, digits and '_' only."))
        if not isinstance(schema, dict):
            faults.append(Fault(place, f"The schema of '{name}' must be a mapping, not {type_name(schema)}."))
        else:
            faults += check_schema(schema, place, strict=True)
    return faults + _check_positions(parameters, keys)


def check_schema(schema: Mapping[str, Any], keys: Keys, *, strict: bool) -> list[Fault]:
    """What is wrong with one schema. ``strict`` refuses unknown keywords and several types (a parameter's own)."""
    faults: list[Fault] = []
    for keyword, value in schema.items():
        check = KEYWORDS.get(keyword)
        if check is None:
            if strict:
                said = f"A parameter has no key '{keyword}'.{did_you_mean(str(keyword), KEYWORDS)}"
                faults.append(Fault((*keys, keyword), said))
        elif value is not None and not _accepts(check, keyword, value, strict):
            faults.append(Fault((*keys, keyword), _expected(keyword, value, check[1])))
    return faults + _check_nested(schema, keys)


def _accepts(check: _Check, keyword: str, value: Any, strict: bool) -> bool:
    if keyword == "type" and isinstance(value, list):
        return not strict and all(item in TYPES for item in value)
    if keyword == "required" and isinstance(value, list):
        return not strict  # draft 4's own form, inside objects
    return check[0](value)


def _expected(keyword: str, value: Any, expected: str) -> str:
    if keyword == "type" and isinstance(value, list):
        return f"'type' must be a single type ({', '.join(TYPES)}); for several use anyOf."
    near = did_you_mean(value, TYPES) if keyword == "type" and isinstance(value, str) else ""
    return f"'{keyword}' must be {expected}, not {type_name(value)}.{near}"


def _check_nested(schema: Mapping[str, Any], keys: Keys) -> list[Fault]:
    return [
        fault
        for place, inner in _nested(schema)
        for fault in check_schema(inner, (*keys, *place), strict=False)
    ]


def _nested(schema: Mapping[str, Any]) -> Iterator[tuple[Keys, Object]]:
    """Every schema directly inside ``schema``, with the keys that lead to it."""
    for keyword in _ONE_INSIDE & schema.keys():
        if isinstance(schema[keyword], dict):
            yield (keyword,), schema[keyword]
    for keyword in _MANY_INSIDE & schema.keys():
        value = schema[keyword]
        pairs: Iterable[tuple[str | int, Any]] = ()
        if isinstance(value, dict) and keyword != "items":
            pairs = value.items()
        elif isinstance(value, list):
            pairs = enumerate(value)
        for name, item in pairs:
            if isinstance(item, dict):
                yield (keyword, name), item


def _check_positions(parameters: Mapping[str, Any], keys: Keys) -> list[Fault]:
    """Positions must be unique and without a gap (StackStorm's registration check)."""
    taken: dict[float, str] = {}
    faults = []
    for name, schema in parameters.items():
        position: Any = schema.get("position") if isinstance(schema, dict) else None
        if not _number(position):
            continue
        if position in taken:
            said = f"Position {position} is already that of '{taken[position]}'; positions must be unique."
            faults.append(Fault((*keys, name, "position"), said))
        taken.setdefault(position, name)
    found = sorted(taken)
    if found and found != [found[0] + step for step in range(len(found))]:
        said = f"The positions {', '.join(f'{p:g}' for p in found)} have a gap; they must follow each other."
        faults.append(Fault((*keys, taken[found[-1]], "position"), said))
    return faults


def cleaned(parameters: Mapping[str, Object]) -> dict[str, Object]:
    """``parameters`` without null keywords (which count as left out); a null ``default`` stays."""
    return {
        str(name): {k: v for k, v in schema.items() if v is not None or k == "default"}
        for name, schema in parameters.items()
    }
