"""What a criterion's ``type`` means: StackStorm's operators (reference 1.6), exactly.

Each operator is made once from its pattern and then tests values. Nothing is coerced: ``5`` does not equal
``"5"``, and an operator given a type it cannot use raises, which the matcher records as a failed match.
"""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from dateutil.parser import parse as parse_date

#: Tests a value found in a payload at a moment (the ``now`` of the matching, aware UTC).
Test = Callable[[Any, datetime], bool]
#: Makes the test of one pattern. Must not raise: what is wrong with the pattern is raised by the test.
Maker = Callable[[Any], Test]

SEARCH = "search"
_compiled = lru_cache(maxsize=10_000)(re.compile)


def text(value: Any) -> Any:
    """``value``, decoded when it is bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _never(value: Any, now: datetime) -> bool:
    """The test of a null pattern."""
    return False


def _of(compare: Callable[[Any, Any], Any], *, null_pattern: bool = False) -> Maker:
    """An operator ``compare(value, pattern)`` on decoded values; without ``null_pattern`` null matches nothing."""

    def make(pattern: Any) -> Test:
        if pattern is None and not null_pattern:
            return _never
        pattern = text(pattern)
        return lambda value, now: bool(compare(text(value), pattern))

    return make


def _raw(compare: Callable[[Any, Any], Any]) -> Maker:
    """Like ``_of``, but bytes stay bytes: StackStorm does not decode for ``<`` and ``>``."""

    def make(pattern: Any) -> Test:
        return _never if pattern is None else lambda value, now: bool(compare(value, pattern))

    return make


def _regex(flags: int, *, at_start: bool = False) -> Maker:
    def make(pattern: Any) -> Test:
        if pattern is None:
            return _never
        try:
            compiled = _compiled(text(pattern), flags)
        except (re.error, TypeError):
            return lambda value, now: bool(
                re.compile(text(pattern), flags)
            )  # raises, at the match, what is wrong
        find = compiled.match if at_start else compiled.search
        return lambda value, now: find(text(value)) is not None

    return make


def _wildcard(pattern: Any) -> Test:
    if pattern is None:
        return _never
    if not isinstance(pattern, str):
        return lambda value, now: fnmatch.fnmatch(text(value), pattern)  # raises, at the match, what is wrong
    match = _compiled(fnmatch.translate(pattern)).match
    return lambda value, now: match(text(value)) is not None


def _age(compare: Callable[[float, float], bool]) -> Maker:
    """Compares how many seconds ago the value (a time as text, UTC unless it says otherwise) was with the pattern."""

    def make(pattern: Any) -> Test:
        if pattern is None:
            return _never

        def test(value: Any, now: datetime) -> bool:
            moment = parse_date(value)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            return compare((now - moment).total_seconds(), float(pattern))

        return test

    return make


def _lower(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, pattern: compare(value.lower(), pattern.lower())


def _contains(value: Any, pattern: Any) -> bool:
    return pattern in value


def _lacks(value: Any, pattern: Any) -> bool:
    return pattern not in value


def _inside(value: Any, pattern: Any) -> bool:
    return value in pattern


def _outside(value: Any, pattern: Any) -> bool:
    return value not in pattern


def _starts(value: Any, pattern: Any) -> bool:
    return bool(value.startswith(pattern))


def _ends(value: Any, pattern: Any) -> bool:
    return bool(value.endswith(pattern))


def _exists(pattern: Any) -> Test:
    return lambda value, now: value is not None


def _missing(pattern: Any) -> Test:
    return lambda value, now: value is None


_MAKERS: dict[tuple[str, ...], Maker] = {
    ("equals", "eq"): _of(operator.eq),
    ("nequals", "neq"): _of(operator.ne, null_pattern=True),
    ("iequals", "ieq"): _of(_lower(operator.eq)),
    ("contains",): _of(_contains),
    ("ncontains",): _of(_lacks),
    ("icontains",): _of(_lower(_contains)),
    ("incontains",): _of(_lower(_lacks)),
    ("startswith",): _of(_starts),
    ("istartswith",): _of(_lower(_starts)),
    ("endswith",): _of(_ends),
    ("iendswith",): _of(_lower(_ends)),
    ("lessthan", "lt"): _raw(operator.lt),
    ("greaterthan", "gt"): _raw(operator.gt),
    ("matchwildcard",): _wildcard,
    ("matchregex",): _regex(re.DOTALL, at_start=True),
    ("regex",): _regex(0),
    ("iregex",): _regex(re.IGNORECASE),
    ("timediff_lt", "td_lt"): _age(operator.lt),
    ("timediff_gt", "td_gt"): _age(operator.gt),
    ("exists",): _exists,
    ("nexists",): _missing,
    ("inside", "in"): _of(_inside),
    ("ninside", "nin"): _of(_outside),
}

#: Every operator by each of its names, but ``search``, which needs criteria of its own (criteria.py).
OPERATORS: dict[str, Maker] = {name: maker for names, maker in _MAKERS.items() for name in names}

#: Every name that a criterion's ``type`` may have, in lower case.
NAMES: frozenset[str] = frozenset(OPERATORS) | {SEARCH}
