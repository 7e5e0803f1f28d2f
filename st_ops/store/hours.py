"""How many executions each hour of the past has: what a late page of all executions is found by.

A page at offset 500,000 would have the database pass over as many entries of an index. Hours that are over are counted
once instead, and whoever forgets executions takes them off in the same transaction. An hour is over an hour after its
end: until then what was requested in it may still be on its way into the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, bindparam, delete, func, insert, literal_column, select, text, update

from st_ops.model.identity import from_micros, micros, now
from st_ops.store import locks
from st_ops.store.database import Tx
from st_ops.store.locks import Space
from st_ops.store.parts import in_parts
from st_ops.store.schema import execution, execution_hour

#: Microseconds.
HOUR = 3_600_000_000

#: A transaction counts hours until it has seen so many executions, or hours.
_MOST_EXECUTIONS, _MOST_HOURS = 20_000, 200

_COUNT = text("SELECT count(*) FROM execution WHERE created_at >= :start AND created_at < :end")
_FIRST = text("SELECT min(created_at) FROM execution WHERE created_at >= :start")
#: An hour that does not come.
_NEVER = 1 << 40
_GONE = (
    select(literal_column(f"created_at / {HOUR}", BigInteger).label("hour"), func.count().label("number"))
    .where(execution.c.id.in_(bindparam("ids", expanding=True)))
    .group_by("hour")
    .subquery("gone")
)
_TAKE_OFF = (
    update(execution_hour)
    .where(execution_hour.c.hour == _GONE.c.hour)
    .values(count=execution_hour.c.count - _GONE.c.number)
)


def count(tx: Tx) -> int:
    """Count some hours that are over; answers how many had executions (0: all are counted)."""
    locks.lock(tx, Space.HOURS, ["executions"])
    oldest = _next(tx, 0)
    tx.execute(delete(execution_hour).where(execution_hour.c.hour < oldest))
    last = tx.execute(select(func.max(execution_hour.c.hour))).scalar_one_or_none()
    over = micros(now()) // HOUR - 1
    rows: list[dict[str, int]] = []
    hour = oldest if last is None else _next(tx, last + 1)
    while hour < over and len(rows) < _MOST_HOURS and sum(row["count"] for row in rows) < _MOST_EXECUTIONS:
        found = tx.execute(_COUNT, {"start": hour * HOUR, "end": (hour + 1) * HOUR}).scalar_one()
        rows.append({"hour": hour, "count": found})
        hour = _next(tx, hour + 1)
    if rows:
        tx.execute(insert(execution_hour), rows)
    return len(rows)


def _next(tx: Tx, hour: int) -> int:
    """The first hour, from this one on, that has executions; one far ahead when there is none."""
    found: int | None = tx.execute(_FIRST, {"start": hour * HOUR}).scalar_one_or_none()
    return _NEVER if found is None else found // HOUR


def take_off(tx: Tx, ids: Sequence[str]) -> None:
    """These executions are about to be deleted, in this transaction."""
    locks.lock(tx, Space.HOURS, ["executions"])
    for some in in_parts(list(ids)):
        tx.execute(_TAKE_OFF, {"ids": some})


@dataclass(frozen=True)
class Landing:
    """Where to begin: after (or before, with the newest first) a moment, so many executions further."""

    moment: datetime | None
    offset: int


def landing(tx: Tx, offset: int, *, newest_first: bool) -> Landing:
    """Where the page of all executions at ``offset`` begins, as near as the counted hours say."""
    ends = select(func.min(execution_hour.c.hour), func.max(execution_hour.c.hour))
    first, last = tx.execute(ends).one()
    if first is None:
        return Landing(None, offset)
    # Beyond the counted hours, on the side from which it is counted.
    since, until = ((last + 1) * HOUR, None) if newest_first else (None, first * HOUR)
    outside = _count_up_to(tx, since, until, offset + 1)
    if outside > offset:
        return Landing(None, offset)
    return _within(tx, offset - outside, (first, last), newest_first)


def _within(tx: Tx, rest: int, ends: tuple[int, int], newest_first: bool) -> Landing:
    hour = execution_hour.c.hour
    turned = hour.desc() if newest_first else hour.asc()
    sums = select(hour, func.sum(execution_hour.c.count).over(order_by=turned).label("sum")).subquery()
    # The last hour that is passed over whole: from its far end it is not far.
    passed = select(sums.c.hour, sums.c.sum).where(sums.c.sum <= rest)
    found = tx.execute(
        passed.order_by(sums.c.hour.asc() if newest_first else sums.c.hour.desc()).limit(1)
    ).first()
    if found is None:
        edge = ends[1] + 1 if newest_first else ends[0]
        return Landing(from_micros(edge * HOUR), rest)
    edge = found.hour if newest_first else found.hour + 1
    return Landing(from_micros(edge * HOUR), rest - int(found.sum))


def _count_up_to(tx: Tx, since: int | None, until: int | None, most: int) -> int:
    some = select(execution.c.id)
    if since is not None:
        some = some.where(execution.c.created_at >= from_micros(since))
    if until is not None:
        some = some.where(execution.c.created_at < from_micros(until))
    return tx.execute(select(func.count()).select_from(some.limit(most).subquery())).scalar_one()
