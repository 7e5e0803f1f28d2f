"""Executions and their rows: which columns are read, how a row becomes the noun, and where its result lies."""

from __future__ import annotations

import zlib
from typing import Any

import orjson
from sqlalchemy import Select, select
from sqlalchemy.dialects import postgresql, sqlite

from st_ops.model.executions import Execution
from st_ops.store import registry
from st_ops.store.database import Tx
from st_ops.store.schema import execution, execution_result
from st_ops.store.types import dumps

#: Results up to this many bytes of JSON stay in the row; larger ones go compressed to a table of their own.
INLINE_RESULT_BYTES = 32_768

#: Everything but the result, and with it.
LIGHT = [column for column in execution.c if column.name not in ("result", "task_key", "parent_notified")]
WHOLE = [column for column in execution.c if column.name not in ("task_key", "parent_notified")]
#: Fields of an execution that stand in its row as they are.
_PLAIN = [column.name for column in WHOLE if column.name not in ("task", "status")]


def row_of(entry: Execution) -> dict[str, Any]:
    """The row of an execution that is requested now."""
    return {
        **{name: getattr(entry, name) for name in _PLAIN},
        "status": entry.status.value,
        "root_id": entry.root_id or entry.id,
        "trace_id": entry.trace_id or entry.id,
        "task": None if entry.task is None else entry.task.model_dump(),
        "task_key": None if entry.task is None else entry.task.key,
        # Only children have a parent to tell.
        "parent_notified": entry.parent_id is None,
    }


def read(tx: Tx, query: Select[Any], values: dict[str, Any] | None = None) -> list[Execution]:
    """The executions that a query over ``WHOLE`` or ``LIGHT`` finds, in its order."""
    found = tx.execute(query, values)
    names = tuple(found.keys())
    return [Execution.model_validate(dict(zip(names, row, strict=True))) for row in found.all()]


def read_with_version(tx: Tx, query: Select[Any], values: dict[str, Any]) -> list[Execution]:
    """Likewise, where ``registry.VERSION`` is the last of the query's columns."""
    found = tx.execute(query, values)
    names, rows = tuple(found.keys())[:-1], found.all()
    for row in rows[:1]:
        registry.version_read(tx, row[-1])
    return [Execution.model_validate(dict(zip(names, row[:-1], strict=True))) for row in rows]


def place_result(tx: Tx, execution_id: str, result: Any) -> tuple[Any, int]:
    """Keep a result that is too large for the row; answers what stands in the row, and its size in bytes."""
    encoded = dumps(result).encode()
    if len(encoded) <= INLINE_RESULT_BYTES:
        return result, len(encoded)
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    row = {"execution_id": execution_id, "data": zlib.compress(encoded, 1)}
    place = dialect.insert(execution_result).values(row)
    tx.execute(place.on_conflict_do_update(index_elements=["execution_id"], set_={"data": row["data"]}))
    return None, len(encoded)


def with_result(tx: Tx, entry: Execution) -> Execution:
    """The execution with a large result read from its own table."""
    if entry.result is not None or entry.result_size <= INLINE_RESULT_BYTES:
        return entry
    query = select(execution_result.c.data).where(execution_result.c.execution_id == entry.id)
    data = tx.execute(query).scalar_one_or_none()
    return entry if data is None else entry.model_copy(update={"result": orjson.loads(zlib.decompress(data))})
