"""Rates: start times given out under a key, never more than N within the period, on any number of nodes."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql, sqlite

from st_ops.model.identity import from_micros, micros
from st_ops.model.limits import Rate
from st_ops.store.database import Tx
from st_ops.store.schema import rate


def give(tx: Tx, key: str, wanted: Rate, moment: datetime) -> datetime:
    """The earliest start from ``moment`` on that keeps the rate; it is taken with this call."""
    if tx.dialect.name == "postgresql":
        tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 2))"), {"key": key})
    given: list[int] = tx.execute(select(rate.c.given).where(rate.c.key == key)).scalar_one_or_none() or []
    start = moment
    if given:
        # In order: nobody starts before somebody who asked earlier.
        start = max(start, from_micros(given[-1]))
    if len(given) >= wanted.count:
        start = max(start, from_micros(given[-wanted.count]) + timedelta(seconds=wanted.seconds))
    kept = [*given, micros(start)][-wanted.count :]
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    place = dialect.insert(rate).values(key=key, given=kept)
    tx.execute(place.on_conflict_do_update(index_elements=["key"], set_={"given": kept}))
    return start
