"""What the API answers with: JSON in StackStorm's form, lists with their counts in the headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from starlette.responses import Response

from st_ops.model.base import Model
from st_ops.model.identity import iso


def encode(value: Any, *, pretty: bool = False) -> bytes:
    """``value`` as JSON bytes; moments in StackStorm's form, models as objects."""
    option = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(value, default=_plain, option=option | (orjson.OPT_INDENT_2 if pretty else 0))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Model):
        return value.model_dump()
    if isinstance(value, (Mapping, Sequence, set, frozenset)):
        return dict(value) if isinstance(value, Mapping) else list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


class Json(Response):
    """A JSON answer."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """JSON bytes of any value ``encode`` takes."""
        return encode(content)


def listing(items: Sequence[Any], total: int, limit: int) -> Json:
    """A bare array with ``X-Total-Count`` and ``X-Limit`` (StackStorm's form of a list)."""
    return Json(items, headers={"X-Total-Count": str(total), "X-Limit": str(limit)})


def fault(
    status: int, message: str, *, conflict_id: str | None = None, headers: Mapping[str, str] | None = None
) -> Json:
    """An error as ``{"faultstring": message}``, with the ``conflict-id`` of a 409 where there is one."""
    body = {"faultstring": message}
    if conflict_id is not None:
        body["conflict-id"] = conflict_id
    return Json(body, status_code=status, headers=dict(headers or {}))
