"""Rates: start times given out under a key, never more than N within the period, on any number of nodes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from st_ops.model.identity import from_micros, micros
from st_ops.model.limits import Rate
from st_ops.store import locks
from st_ops.store.database import Tx
from st_ops.store.locks import Space
from st_ops.store.schema import rate


def lock(tx: Tx, keys: Collection[str]) -> None:
    """Be the only one to be promised times under these keys. Called before any row is locked."""
    locks.lock(tx, Space.RATE, keys)


def give(tx: Tx, key: str, wanted: Rate, moment: datetime) -> datetime:
    """The earliest start from ``moment`` on that keeps the rate; it is taken with this call."""
    given = _given(tx, key)
    start = moment
    if given:
        # In order: nobody starts before somebody who asked earlier.
        start = max(start, from_micros(given[-1]))
    if len(given) >= wanted.count:
        start = max(start, from_micros(given[-wanted.count]) + timedelta(seconds=wanted.seconds))
    _keep(tx, key, [*given, micros(start)][-wanted.count :])
    return start


def start(tx: Tx, key: str, wanted: Rate, moment: datetime, count: int) -> tuple[int, datetime]:
    """Of ``count`` that would start at ``moment``, how many may; and when the next one may.

    ``give`` promises times when executions are asked for; this keeps the rate when they really start, however many
    came due while no worker was there.
    """
    key = f"started {key}"
    given = _given(tx, key)
    period = timedelta(seconds=wanted.seconds)
    recent = [since for since in given if from_micros(since) + period > moment]
    allowed = min(count, max(0, wanted.count - len(recent)))
    starts = [*given, *[micros(moment)] * allowed][-wanted.count :]
    if allowed:
        _keep(tx, key, starts)
    if len(starts) < wanted.count:
        return allowed, moment
    return allowed, max(moment, from_micros(starts[-wanted.count]) + period)


def _given(tx: Tx, key: str) -> list[int]:
    """What was given out under the key, which is ours until the commit."""
    locks.lock(tx, Space.RATE, [key])
    return tx.execute(select(rate.c.given).where(rate.c.key == key)).scalar_one_or_none() or []


def _keep(tx: Tx, key: str, given: Sequence[int]) -> None:
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    place = dialect.insert(rate).values(key=key, given=list(given))
    tx.execute(place.on_conflict_do_update(index_elements=["key"], set_={"given": list(given)}))
