"""Back from what expression languages compute with to plain JSON-like Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from st_ops.expressions import limits

#: Types that are plain as they are; tested first because almost everything is one of these.
_SCALARS = (str, int, float, bool, type(None))


class Standing:
    """Something that stands for a plain value: a datastore entry for its text, a frozen view for its dict."""

    __slots__ = ()

    def __plain__(self) -> Any:
        """The plain value; it must not be changed."""
        raise TypeError(f"{type(self).__name__} does not say what it stands for")


def plain(value: Any) -> Any:
    """``value`` with dicts for mappings, lists for sequences, sets and iterators, and texts for datastore entries.

    Times (YAQL can make them) become ISO 8601 text, lengths of time seconds, so that the result is JSON.

    A value that is plain already may come back as the same object. Raises TooBig when an iterator has
    more than MAX_ITEMS items.
    """
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, Standing):
        return value.__plain__()
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | AbstractSet):
        return [plain(item) for item in value]
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        return [plain(item) for item in _limited(value)]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value


def _key(key: Any) -> Any:
    made = plain(key)
    return tuple(made) if isinstance(made, list) else made


def _limited(items: Iterable[Any]) -> list[Any]:
    taken = list(islice(items, limits.MAX_ITEMS + 1))
    if len(taken) > limits.MAX_ITEMS:
        raise limits.TooBig(f"it makes a list of more than {limits.MAX_ITEMS:,} items")
    return taken
