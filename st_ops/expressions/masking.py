"""Hiding secrets in what is shown: parameters that a schema calls secret, and keys that are always secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import NoneType
from typing import Any

#: What stands in place of a secret (StackStorm's).
MASK = "********"
#: Keys whose values are hidden wherever they stand, in any case (StackStorm's list).
SECRET_KEYS = frozenset({"password", "auth_token", "token", "secret", "credentials", "st2_auth_token"})


#: Types of values that hold no others: asked for first where values are walked through, for most are of these.
SIMPLE = (str, int, float, NoneType)
#: What is to stand in the place of a secret value.
Hide = Callable[[Any], Any]


def _mask_of(_value: Any) -> str:
    return MASK


def secret_names(schema: Mapping[str, Any]) -> frozenset[str]:
    """The parameters that are secret, or have a secret somewhere in them."""
    return frozenset(name for name, spec in schema.items() if _holds_secret(spec))


def _holds_secret(spec: Any) -> bool:
    if not isinstance(spec, Mapping):
        return False
    return bool(spec.get("secret")) or any(map(_holds_secret, _children(spec)))


def _children(spec: Mapping[str, Any]) -> Iterator[Any]:
    yield from (spec.get("properties") or {}).values()
    yield from (spec.get("patternProperties") or {}).values()
    yield spec.get("additionalProperties")
    items = spec.get("items")
    yield from items if isinstance(items, list) else [items]
    yield spec.get("additionalItems")


def secret_values(schema: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """The texts in ``values`` that ``mask`` would hide, longest first: to be hidden in what an action prints too.

    Numbers count by their text; booleans, null and empty text do not.
    """
    found: set[str] = set()
    _gather(values, mask(schema, values), found)
    return sorted(found, key=lambda text: (-len(text), text))


def _gather(value: Any, masked: Any, found: set[str]) -> None:
    """Add every text of ``value`` that ``masked`` hides to ``found``."""
    hidden = masked is MASK
    if isinstance(value, Mapping):
        for key, item in value.items():
            _gather(item, MASK if hidden else masked[key], found)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _gather(item, MASK if hidden else masked[index], found)
    elif hidden and isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
        found.add(str(value))


def mask(schema: Mapping[str, Any], values: Any, hide: Hide = _mask_of) -> Any:
    """``values`` (parameters by name) with every secret replaced; nothing is changed in place.

    ``schema`` is the effective one; with ``{}`` only the keys that are always secret are hidden, at any depth.
    ``hide`` gives what stands in a secret's place: MASK unless said otherwise.
    """
    return _masked({"type": "object", "properties": schema}, values, hide)


def _masked(spec: Mapping[str, Any], value: Any, hide: Hide) -> Any:
    if spec.get("secret"):
        return hide(value)
    if isinstance(value, SIMPLE):
        return value
    if isinstance(value, Mapping):
        return {key: _masked_at(spec, str(key), item, hide) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(_item_spec(spec, index), item, hide) for index, item in enumerate(value)]
    return value


def _masked_at(spec: Mapping[str, Any], key: str, value: Any, hide: Hide) -> Any:
    if key.lower() in SECRET_KEYS:
        return hide(value)
    child = (spec.get("properties") or {}).get(key)
    if isinstance(child, Mapping):
        return _masked(child, value, hide)
    others = [*(spec.get("patternProperties") or {}).values(), spec.get("additionalProperties")]
    # Which pattern a key matches does not matter here: what one of them hides is better hidden.
    for other in others:
        if isinstance(other, Mapping):
            value = _masked(other, value, hide)
    return _masked({}, value, hide)


def _item_spec(spec: Mapping[str, Any], index: int) -> Mapping[str, Any]:
    items = spec.get("items")
    if isinstance(items, list):
        items = items[index] if index < len(items) else spec.get("additionalItems")
    return items if isinstance(items, Mapping) else {}
