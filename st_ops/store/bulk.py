"""Many new rows at once, the fastest way that the store has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.exc import DBAPIError

from st_ops.store.database import Tx

#: From so many rows on, PostgreSQL takes them as one COPY: below, setting it up costs more than it saves.
_COPY_FROM = 8

#: What turns a value into what the driver takes; None = it takes the value as it is.
_Processor = Callable[[Any], Any] | None


class BulkInsert:
    """Inserts rows into one table that are new for certain: a conflict is an error.

    ``columns`` are those that the rows have (default: all); a row is a mapping that has them, and may have others.
    """

    def __init__(self, table: Table, columns: Sequence[str] | None = None) -> None:
        names = [column.name for column in table.c] if columns is None else list(columns)
        self._insert = insert(table)
        dialect = PGDialect()  # type: ignore[no-untyped-call]
        self._processors: list[tuple[str, _Processor]] = [
            (name, table.c[name].type.bind_processor(dialect)) for name in names
        ]
        quoted = ", ".join(dialect.identifier_preparer.quote(name) for name in names)
        self._copy = f"COPY {dialect.identifier_preparer.format_table(table)} ({quoted}) FROM STDIN"

    def __call__(self, tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert ``rows``, in order. Raises as ``Database.write``."""
        if not rows:
            return
        if tx.dialect.name != "postgresql" or len(rows) < _COPY_FROM:
            tx.execute(self._insert, list(rows))
            return
        driver = tx.dialect.loaded_dbapi
        try:
            self._copy_in(tx, rows)
        except driver.Error as exc:
            # As SQLAlchemy shows what its own statements come to.
            shown = DBAPIError.instance(self._copy, None, exc, driver.Error, dialect=tx.dialect)
            raise shown from exc

    def _copy_in(self, tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
        cursor: Any = tx.connection.cursor()
        with cursor, cursor.copy(self._copy) as copy:
            for row in rows:
                copy.write_row(
                    [row[name] if turn is None else turn(row[name]) for name, turn in self._processors]
                )
