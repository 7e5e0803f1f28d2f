"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, Dialect, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from st_ops.model.identity import from_micros, micros


class Micros(TypeDecorator[datetime]):
    """A UTC moment as microseconds since 1970: exact, ordered and identical on every backend."""

    impl = BigInteger
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], int | None]:
        """Moment → microseconds."""
        return _to_micros

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[int | None], datetime | None]:
        """Microseconds → moment."""
        return _from_micros


class Json(TypeDecorator[Any]):
    """A JSON value as text. Not JSONB: the value comes back exactly as it went in, key order and NULs included."""

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str | None]:
        """Value → JSON text; None stays NULL."""
        return _to_text

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], Any]:
        """JSON text → value."""
        return _from_text


def _to_micros(value: datetime | None) -> int | None:
    return None if value is None else micros(value)


def _from_micros(value: int | None) -> datetime | None:
    return None if value is None else from_micros(value)


def _to_text(value: Any) -> str | None:
    return None if value is None else dumps(value)


def _from_text(value: str | None) -> Any:
    return None if value is None else orjson.loads(value)


def dumps(value: Any) -> str:
    """JSON text of any value made of JSON types; what JSON lacks (NaN, lone surrogates) becomes null or '?'."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except (orjson.JSONEncodeError, UnicodeEncodeError, TypeError):
        return orjson.dumps(_plain(value), option=orjson.OPT_NON_STR_KEYS).decode()


#: Levels of lists and objects that are written of a value that orjson, which stops at 254, cannot write.
_DEEPEST = 200


def _plain(value: Any, levels: int = _DEEPEST) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, (dict, list, tuple, set, frozenset)) and not levels:
        return f"(nested deeper than {_DEEPEST} levels)"
    if isinstance(value, dict):
        return {_plain(str(key)): _plain(entry, levels - 1) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(entry, levels - 1) for entry in value]
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 63:
        return float(value) if value.bit_length() < 1024 else str(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


class DbNow(FunctionElement[int]):
    """The database's own clock in microseconds: leases are compared by one clock, whatever the hosts' say."""

    inherit_cache = True
    type = BigInteger()
    name = "db_now"


@compiles(DbNow, "sqlite")
def _sqlite_now(element: Any, compiler: Any, **kwargs: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)"


@compiles(DbNow, "postgresql")
def _postgresql_now(element: Any, compiler: Any, **kwargs: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
