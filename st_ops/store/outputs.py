"""What executions printed, piece by piece."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from st_ops.model.executions import OutputLine
from st_ops.store.database import Tx
from st_ops.store.schema import output

_INSERT = {
    "sqlite": sqlite.insert(output).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(output).on_conflict_do_nothing(),
}


def append(tx: Tx, lines: Sequence[OutputLine]) -> None:
    """Store pieces; one stored already (same execution and seq) is left as it is."""
    if lines:
        tx.execute(_INSERT[tx.dialect.name], [line.__dict__ for line in lines])


def find(
    tx: Tx, execution_id: str, *, after_seq: int = -1, stream: str | None = None, limit: int = 1000
) -> list[OutputLine]:
    """Pieces of one execution in order, after ``after_seq``."""
    query = select(output).where(output.c.execution_id == execution_id, output.c.seq > after_seq)
    if stream is not None:
        query = query.where(output.c.stream == stream)
    rows = tx.execute(query.order_by(output.c.seq).limit(limit)).mappings()
    return [OutputLine.model_validate(dict(row)) for row in rows]


def last_seq(tx: Tx, execution_id: str) -> int:
    """The highest seq stored of this execution; -1 when there is none."""
    query = select(func.max(output.c.seq)).where(output.c.execution_id == execution_id)
    found = tx.execute(query).scalar_one_or_none()
    return -1 if found is None else int(found)
