"""The database: engines for SQLite and PostgreSQL behind ``read`` and ``write``.

Every method of an aggregate takes the connection (``tx``) of the caller's transaction, so that what
belongs together is committed together.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.pool import QueuePool

from st_ops.errors import InvalidInput, Unavailable, UserError

#: What aggregates are handed: a connection with a transaction under way.
Tx = Connection

T = TypeVar("T")

#: SQLite connections kept open: making one anew (pragmas, reading the schema) costs more than most queries.
_SQLITE_CONNECTIONS = 64
#: A PostgreSQL connection that was not used for so many seconds is asked whether it still answers.
_TRUSTED_SECONDS = 1.0
#: Milliseconds a SQLite connection waits for another process's write to end.
_BUSY_TIMEOUT_MS = 30_000


def once(tx: Tx, name: str, ask: Callable[[Tx], T]) -> T:
    """What ``ask`` answers for this transaction, asked only the first time; ``name`` is what it is kept under."""
    # A connection of the pool is lent as another object each time, for one transaction.
    answer: T | None = tx.get_execution_options().get(name)
    if answer is None:
        answer = ask(tx)
        tx.execution_options(**{name: answer})
    return answer


class Database:
    """One store. ``open`` before use; ``close`` gives every connection back."""

    def __init__(self, url: str, *, synchronous: str = "full", pool_size: int = 10) -> None:
        """``url`` is an SQLAlchemy URL of SQLite or PostgreSQL; ``postgresql://`` means psycopg 3."""
        self.url = make_url(url)
        if self.url.drivername == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        self.dialect = self.url.get_backend_name()
        if self.dialect not in ("sqlite", "postgresql"):
            raise UserError(
                f"Setting 'store.url' names '{self.dialect}'; st_ops keeps its store in sqlite or postgresql."
            )
        self._synchronous = synchronous.upper()
        # SQLite has one writer at a time; queueing for it here is fairer and faster than its busy loop.
        self._write_lock: threading.Lock | None = threading.Lock() if self.dialect == "sqlite" else None
        self._engine = self._make_engine(pool_size)

    def _make_engine(self, pool_size: int) -> Engine:
        if self.dialect == "postgresql":
            # The one used last comes first: what the server keeps for it is warm.
            engine = create_engine(
                self.url, pool_size=pool_size, max_overflow=20, pool_use_lifo=True, pool_recycle=1800,
                connect_args={"connect_timeout": 5, "application_name": "st_ops"},
            )  # fmt: skip
            event.listen(engine, "checkin", _note_use)
            event.listen(engine, "checkout", partial(_ask_if_idle, engine))
            return engine
        if self.url.database and self.url.database != ":memory:":
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            self.url, poolclass=QueuePool, pool_size=_SQLITE_CONNECTIONS, max_overflow=_SQLITE_CONNECTIONS,
            connect_args={"check_same_thread": False, "isolation_level": None, "cached_statements": 512},
        )  # fmt: skip
        event.listen(engine, "connect", self._configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _configure_sqlite(self, connection: Any, record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={_BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            f"synchronous={self._synchronous}",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-16000",
            "journal_size_limit=67108864",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A consistent view for reading. Raises Unavailable when the store does not answer."""
        with _translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """A transaction: committed when the block ends, rolled back when it raises.

        Raises Unavailable when the store does not answer; then nothing of the block is stored, or
        (when the connection breaks during commit) all of it, which idempotent writes make harmless.
        """
        with _translated():
            if self._write_lock is None:
                with self._engine.begin() as connection:
                    yield connection
                return
            with self._write_lock, self._engine.connect() as connection:
                connection.execution_options(st_ops_write=True)
                with connection.begin():
                    yield connection

    def ping(self) -> None:
        """One round trip. Raises Unavailable."""
        with self.read() as tx:
            tx.execute(text("SELECT 1"))

    def dispose_after_fork(self) -> None:
        """Forget the parent's connections in a forked child, without closing them."""
        self._engine.dispose(close=False)

    def close(self) -> None:
        """Give back every connection. Idempotent."""
        self._engine.dispose()

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for migrations."""
        return self._engine


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that later writes can fail with SQLITE_BUSY at once; taking the lock first waits.
    writing = connection.get_execution_options().get("st_ops_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _ask_if_idle(engine: Engine, connection: Any, record: Any, _proxy: Any) -> None:
    """Replace all connections when this one has ended meanwhile: most likely they have, too."""
    if time.monotonic() - record.info.get("used", time.monotonic()) < _TRUSTED_SECONDS:
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error as exc:
        raise InvalidatePoolError(str(exc)) from exc


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as exc:
        raise Unavailable("store", str(exc.orig).strip() or type(exc.orig).__name__) from exc
    except DataError as exc:
        # PostgreSQL, for instance, keeps no text with a NUL in it; whoever sent it must know.
        raise InvalidInput(f"The store cannot keep this: {exc.orig}.") from exc
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise Unavailable("store", str(exc.orig).strip()) from exc
        raise
