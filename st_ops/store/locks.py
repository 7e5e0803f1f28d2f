"""Locks on names, until the commit: who decides about a name decides alone.

SQLite has one writer at a time anyway. Whoever takes several locks takes them in one call, and before it locks rows:
so no two wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum

from sqlalchemy import text

from st_ops.store.database import Tx


class Space(IntEnum):
    """What the names are of; each kind of name has its own locks."""

    SLOT = 1
    RATE = 2
    ORPHANS = 3
    HOURS = 4


_NUMBERS = (
    "(SELECT DISTINCT hashtextextended(name, :space) AS number FROM unnest(CAST(:names AS text[])) AS name"
    " ORDER BY number) AS wanted"
)
_LOCK = text(f"SELECT pg_advisory_xact_lock(number) FROM {_NUMBERS}")  # noqa: S608 - two constants
_TRY = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, :space))")


def lock(tx: Tx, space: Space, names: Collection[str]) -> None:
    """Wait until these names are ours."""
    if names and tx.dialect.name == "postgresql":
        tx.execute(_LOCK, {"space": space.value, "names": list(names)})


def try_lock(tx: Tx, space: Space, name: str) -> bool:
    """Take a name if nobody has it, without waiting; True when it is ours."""
    if tx.dialect.name != "postgresql":
        return True
    return bool(tx.execute(_TRY, {"space": space.value, "name": name}).scalar())
