"""A store with a long history in it: built in bulk, indexes last."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from sqlalchemy import Table, text

from benchmarks.history_rows import TABLES, History
from st_ops.store import hours
from st_ops.store.database import Database
from st_ops.store.migrate import upgrade


def build(database: Database, count: int) -> tuple[History, float]:
    """Fill an empty store with ``count`` executions; answers what was made, and the seconds it took."""
    started = time.perf_counter()
    upgrade(database)
    history = History(count, int(time.time() * 1_000_000))
    with database.engine.begin() as connection:
        for table, _ in TABLES:
            for index in table.indexes:
                index.drop(connection)
    for batch in history.batches():
        _insert(database, zip(TABLES, batch, strict=True))
    with database.engine.begin() as connection:
        for table, _ in TABLES:
            for index in table.indexes:
                index.create(connection)
    # As every platform does once a minute.
    counted = 1
    while counted:
        with database.write() as tx:
            counted = hours.count(tx)
    if database.dialect == "postgresql":
        # As autovacuum would have done in thirty days.
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    return history, time.perf_counter() - started


def _insert(
    database: Database, rows: Iterable[tuple[tuple[Table, Sequence[str]], Sequence[tuple[object, ...]]]]
) -> None:
    with database.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        for (table, columns), batch in rows:
            names = ", ".join(f'"{name}"' for name in columns)
            if database.dialect == "sqlite":
                raw.execute("BEGIN")
                marks = ", ".join("?" * len(columns))
                raw.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", batch)
                raw.execute("COMMIT")
                continue
            with raw.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
                copy.write("".join(map(_line, batch)))
            raw.commit()


def _line(row: tuple[object, ...]) -> str:
    return "\t".join(r"\N" if value is None else str(value) for value in row) + "\n"
