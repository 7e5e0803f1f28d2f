"""What limits an action or a rule: our own keys ``concurrency``, ``rate``, ``retry`` and ``require``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from st_ops.errors import InvalidInput
from st_ops.model.base import Object
from st_ops.model.limits import parse_concurrency, parse_rate, parse_retry
from st_ops.model.requirements import parse_require
from st_ops.packs.problems import Fault

_PARSERS: dict[str, tuple[type, Callable[[Any], object]]] = {
    "concurrency": (dict, parse_concurrency),
    "rate": (str, parse_rate),
    "retry": (dict, parse_retry),
    "require": (object, parse_require),
}


def check_limits(content: Object) -> list[Fault]:
    """What is wrong with the limits in a metadata file; a value of the wrong type has been told of already."""
    faults = []
    for key, (kind, parse) in _PARSERS.items():
        value = content.get(key)
        if not value or not isinstance(value, kind):
            continue
        try:
            parse(value)
        except InvalidInput as error:
            faults.append(Fault(tuple((error.where or key).split(".")), str(error)))
    return faults
