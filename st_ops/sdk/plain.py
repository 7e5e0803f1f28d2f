"""Results as JSON: what an action returned, in a form every client can read."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import uuid

# By name, so that an action that puts something else into the module is still heard.
from json import dumps, loads
from typing import Any


def plain(value: Any) -> Any:
    """``value`` when it is JSON (times, UUIDs, enums and dataclasses converted), else ``str(value)`` (StackStorm 1.4).

    NaN and infinities, which JSON has not, become None.
    """
    try:
        return loads(dumps(value, default=_convert, allow_nan=False))
    except ValueError:  # NaN, or a value that contains itself
        return _without_nan(value)
    except (TypeError, RecursionError):
        return str(value)


def _without_nan(value: Any) -> Any:
    try:
        return loads(dumps(value, default=_convert), parse_constant=lambda _name: None)
    except (TypeError, ValueError, RecursionError):
        return str(value)


def _convert(value: Any) -> Any:
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
