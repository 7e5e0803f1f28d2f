"""The stores that the contract suite runs on: a fresh, migrated one each time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from st_ops.store.database import Database
from st_ops.store.migrate import upgrade


def open_store(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Database]:
    """A migrated store of ``kind`` (sqlite, postgresql), closed afterwards."""
    url = f"sqlite:///{folder / 'store.db'}" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    database = Database(url)
    upgrade(database)
    yield database
    database.close()
