"""Which attributes of an object the caller wants; dotted names reach inside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Depends, Query

from st_ops.errors import InvalidInput

#: Always in an answer: without them a client cannot address what it got.
_ALWAYS = ("id", "ref")


class Fields:
    """One choice of attributes. Without any, everything is wanted."""

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        """Raises InvalidInput when both are given."""
        self._include = tuple(name for name in include if name)
        self._exclude = tuple(name for name in exclude if name)
        if self._include and self._exclude:
            raise InvalidInput(
                "Give either include_attributes or exclude_attributes, not both.", where="include_attributes"
            )

    def wants(self, name: str) -> bool:
        """True when the top-level attribute ``name`` (or something in it) is to be answered."""
        if self._include:
            return name in _ALWAYS or any(entry.partition(".")[0] == name for entry in self._include)
        return name not in self._exclude

    def choose(self, item: dict[str, Any]) -> dict[str, Any]:
        """``item`` with only the wanted attributes; it is not changed itself."""
        if self._include:
            return self._included(item)
        for path in self._exclude:
            item = _without(item, path.split("."))
        return item

    def _included(self, item: dict[str, Any]) -> dict[str, Any]:
        chosen: dict[str, Any] = {name: item[name] for name in _ALWAYS if name in item}
        for path in self._include:
            _copy(item, chosen, path.split("."))
        return chosen


def _copy(source: dict[str, Any], target: dict[str, Any], path: list[str]) -> None:
    name, rest = path[0], path[1:]
    if name not in source:
        return
    if not rest:
        target[name] = source[name]
    elif isinstance(source[name], dict):
        below = dict(target[name]) if isinstance(target.get(name), dict) else {}
        _copy(source[name], below, rest)
        if below:
            target[name] = below


def _without(source: dict[str, Any], path: list[str]) -> dict[str, Any]:
    name, rest = path[0], path[1:]
    if name not in source:
        return source
    if not rest:
        return {key: value for key, value in source.items() if key != name}
    if not isinstance(source[name], dict):
        return source
    return {**source, name: _without(source[name], rest)}


def _split(value: str | None) -> list[str]:
    return [name.strip() for name in (value or "").split(",")]


async def fields_of(
    include_attributes: Annotated[
        str | None, Query(description="Comma-separated attributes to answer; dotted names reach inside.")
    ] = None,
    exclude_attributes: Annotated[
        str | None, Query(description="Comma-separated attributes to leave out.")
    ] = None,
) -> Fields:
    """The choice in the query of a request."""
    return Fields(_split(include_attributes), _split(exclude_attributes))


#: A route's way to the choice.
Wanted = Annotated[Fields, Depends(fields_of)]
