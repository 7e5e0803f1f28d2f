"""Concurrency slots: rows tied to unfinished executions, so that no release can be lost (guarantee 7).

An execution with limited keys waits until every key has room, and is admitted to all of them at once.
Its rows go in the transaction that ends it, and what they made room for is admitted in that same
transaction. ``admit`` is the only place that admits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import bindparam, case, delete, func, insert, select, text, update

from st_ops.model.identity import now
from st_ops.model.limits import SlotLimit
from st_ops.store import locks
from st_ops.store.database import Tx
from st_ops.store.locks import Space
from st_ops.store.schema import execution, slot

#: Waiting executions looked at in one go.
_WINDOW = 500


def add(tx: Tx, wanted: Mapping[str, Sequence[SlotLimit]]) -> None:
    """These executions (id → limits) ask for slots; none is admitted yet."""
    rows = [
        {"execution_id": identifier, "key": limit.key, "limit": limit.limit, "admitted": False}
        for identifier, limits in wanted.items()
        for limit in {limit.key: limit for limit in limits}.values()
    ]
    if rows:
        tx.execute(insert(slot), rows)


def admit(tx: Tx, keys: Collection[str]) -> list[str]:
    """Admit what waits under ``keys`` and has room under all its keys; answers those executions.

    Order: priority, then age. The caller makes them ready in the same transaction.
    """
    if not keys:
        return []
    lock(tx, keys)
    waiting = _waiting(tx, keys)
    limits = _limits(tx, waiting)
    others = {key for entries in limits.values() for key, _ in entries} - set(keys)
    # Without waiting, which would be out of order; the sweep comes back to those it cannot decide about now.
    busy = {key for key in sorted(others) if not locks.try_lock(tx, Space.SLOT, key)}
    counts = _admitted(tx, {*keys, *others})
    admitted = []
    for identifier in waiting:
        entries = limits[identifier]
        if all(counts.get(key, 0) < limit and key not in busy for key, limit in entries):
            admitted.append(identifier)
            for key, _ in entries:
                counts[key] = counts.get(key, 0) + 1
    if admitted:
        tx.execute(update(slot).where(slot.c.execution_id.in_(admitted)).values(admitted=True))
    return admitted


def lock(tx: Tx, keys: Collection[str]) -> None:
    """Only one transaction at a time decides about a key. Called before any row is locked."""
    locks.lock(tx, Space.SLOT, keys)


_KEYS_OF = select(slot.c.key).where(slot.c.execution_id.in_(bindparam("ids", expanding=True))).distinct()


def lock_of(tx: Tx, identifiers: Collection[str]) -> None:
    """Likewise for the keys of these executions, which may be about to make room."""
    if identifiers and tx.dialect.name == "postgresql":
        lock(tx, set(tx.execute(_KEYS_OF, {"ids": list(identifiers)}).scalars()))


def _waiting(tx: Tx, keys: Collection[str]) -> list[str]:
    asking = select(slot.c.execution_id).where(slot.c.key.in_(list(keys)), text("slot.admitted = false"))
    query = (
        select(execution.c.id)
        .where(
            execution.c.id.in_(asking),
            execution.c.waits_for_slot.is_(True),
            execution.c.ready_at <= now(),
        )
        .order_by(execution.c.priority.desc(), execution.c.created_at, execution.c.id)
        .limit(_WINDOW)
    )
    return list(tx.execute(query).scalars())


def _limits(tx: Tx, identifiers: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {identifier: [] for identifier in identifiers}
    query = select(slot.c.execution_id, slot.c.key, slot.c.limit).where(slot.c.execution_id.in_(identifiers))
    for identifier, key, limit in tx.execute(query):
        found[identifier].append((key, limit))
    return found


def _admitted(tx: Tx, keys: Collection[str]) -> dict[str, int]:
    query = select(slot.c.key, func.count()).where(slot.c.key.in_(list(keys)), slot.c.admitted.is_(True))
    return {row[0]: row[1] for row in tx.execute(query.group_by(slot.c.key))}


_RELEASE = (
    delete(slot)
    .where(slot.c.execution_id.in_(bindparam("ids", expanding=True)))
    .returning(slot.c.key, slot.c.admitted)
)


def release(tx: Tx, identifiers: Collection[str]) -> set[str]:
    """These executions are over: their rows go; answers the keys that have room now."""
    if not identifiers:
        return set()
    gone = tx.execute(_RELEASE, {"ids": list(identifiers)})
    return {key for key, admitted in gone if admitted}


def give_back(tx: Tx, identifiers: Collection[str]) -> set[str]:
    """These executions wait again (for a retry): they keep their rows, not their admission.

    Answers the keys that have room now.
    """
    if not identifiers:
        return set()
    held = (slot.c.execution_id.in_(list(identifiers)), slot.c.admitted.is_(True))
    done = update(slot).where(*held).values(admitted=False).returning(slot.c.key, slot.c.execution_id)
    found = list(tx.execute(done))
    waiting = {identifier for _, identifier in found}
    if waiting:
        tx.execute(update(execution).where(execution.c.id.in_(waiting)).values(waits_for_slot=True))
    return {key for key, _ in found}


def with_waiting(tx: Tx, limit: int = 200) -> set[str]:
    """Keys with room under which an execution waits that is due: what a sweep hands to ``admit``."""
    taken = select(slot.c.key, func.count().label("count")).where(slot.c.admitted.is_(True))
    used = taken.group_by(slot.c.key).subquery()
    query = (
        select(slot.c.key)
        .join(execution, execution.c.id == slot.c.execution_id)
        .join(used, used.c.key == slot.c.key, isouter=True)
        .where(
            text("slot.admitted = false"),
            execution.c.waits_for_slot.is_(True),
            execution.c.ready_at <= now(),
            # However many keys are full, they do not hide those with room.
            func.coalesce(used.c.count, 0) < slot.c.limit,
        )
        .distinct()
        .limit(limit)
    )
    return set(tx.execute(query).scalars())


#: The limit of a row that holds back nothing any more.
_OPEN = 2**31 - 1


def closed(tx: Tx, limit: int = 10_000) -> list[tuple[str, str]]:
    """(execution id, key) of the rows of limit 0: what waits there waits until ``open_closed``."""
    query = select(slot.c.execution_id, slot.c.key).where(slot.c.limit == 0).limit(limit)
    return [(row.execution_id, row.key) for row in tx.execute(query)]


def open_closed(tx: Tx, keys: Collection[str]) -> set[str]:
    """The rows of limit 0 under these keys hold back nothing any more; answers the keys to hand to ``admit``."""
    if not keys:
        return set()
    held = (slot.c.key.in_(list(keys)), slot.c.limit == 0)
    return set(tx.execute(update(slot).where(*held).values(limit=_OPEN).returning(slot.c.key)).scalars())


def holders(tx: Tx, key: str) -> list[str]:
    """Executions admitted under ``key``, the oldest first."""
    query = select(slot.c.execution_id).where(slot.c.key == key, slot.c.admitted.is_(True))
    return list(tx.execute(query.order_by(slot.c.execution_id)).scalars())


def usage(tx: Tx) -> dict[str, tuple[int, int, int]]:
    """Key → (admitted, waiting, limit) of every key in use."""
    admitted = func.sum(case((slot.c.admitted, 1), else_=0))
    query = select(slot.c.key, admitted, func.count(), func.max(slot.c.limit)).group_by(slot.c.key)
    return {
        key: (int(held), int(total) - int(held), int(limit)) for key, held, total, limit in tx.execute(query)
    }
