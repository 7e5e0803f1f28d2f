"""Workers and leases: who is alive, and who holds what.

One row per worker is the lease for all it holds: a heartbeat is one statement however much runs. All
comparisons use the database's clock.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import and_, bindparam, delete, func, insert, literal, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from st_ops.logs import facts
from st_ops.model.executions import WORKFLOW_QUEUE, Execution
from st_ops.model.identity import from_micros
from st_ops.model.records import Worker
from st_ops.model.status import Status
from st_ops.store import executions, locks
from st_ops.store.database import Tx
from st_ops.store.locks import Space
from st_ops.store.processes import gone, here
from st_ops.store.schema import HELD, execution, lease, worker
from st_ops.store.types import DbNow

log = logging.getLogger(__name__)


def _after(tx: Tx, seconds: float) -> object:
    return from_micros(tx.execute(select(DbNow())).scalar_one()) + timedelta(seconds=seconds)


def register(tx: Tx, entry: Worker, lease_seconds: float) -> None:
    """Add a worker, alive for ``lease_seconds`` from now."""
    tx.execute(insert(worker), [{**entry.model_dump(), "expires_at": _after(tx, lease_seconds)}])


def heartbeat(tx: Tx, worker_id: str, lease_seconds: float) -> bool:
    """Extend the lease of everything the worker holds; False when it was declared lost meanwhile.

    A worker told False has lost all it held: it must stop it and register anew.
    """
    values = {"expires_at": _after(tx, lease_seconds)}
    return tx.execute(update(worker).where(worker.c.id == worker_id).values(values)).rowcount == 1


def set_draining(tx: Tx, worker_id: str, draining: bool = True) -> bool:
    """Ask a worker to take no more work, or to take work again; False when there is no such worker."""
    return tx.execute(update(worker).where(worker.c.id == worker_id).values(draining=draining)).rowcount == 1


_GET = select(worker).where(worker.c.id == bindparam("id"))


def get(tx: Tx, worker_id: str) -> Worker | None:
    """One worker by id."""
    row = tx.execute(_GET, {"id": worker_id}).mappings().first()
    return None if row is None else Worker.model_validate(dict(row))


def find(tx: Tx, kind: str | None = None) -> list[Worker]:
    """All registered workers, oldest first."""
    query = select(worker).order_by(worker.c.started_at)
    if kind is not None:
        query = query.where(worker.c.kind == kind)
    return [Worker.model_validate(dict(row)) for row in tx.execute(query).mappings()]


def unregister(tx: Tx, worker_id: str) -> None:
    """Remove a worker that holds nothing any more."""
    tx.execute(delete(worker).where(worker.c.id == worker_id))


def reap_lost(tx: Tx, *, lapsed: bool = True) -> list[Worker]:
    """Declare workers lost whose process on this host ended without a word or whose lease lapsed, and answer them.

    Each is answered to one caller only. ``lapsed`` false: only the former, which is certain. A lapsed lease says
    nothing when the store was away: no worker could extend its own then.
    """
    dead = [process for process in tx.execute(select(worker.c.process).distinct()).scalars() if gone(process)]
    moment = from_micros(tx.execute(select(DbNow())).scalar_one())
    lost_now = or_(worker.c.process.in_(dead), and_(literal(lapsed), worker.c.expires_at <= moment))
    query = select(worker).where(lost_now).with_for_update(skip_locked=True)
    lost = [Worker.model_validate(dict(row)) for row in tx.execute(query).mappings()]
    for entry in lost:
        what = facts(worker_id=entry.id, kind=entry.kind, pid=entry.pid)
        log.warning("Worker %s on %s was lost.", entry.id, entry.host, extra=what)
    if lost:
        tx.execute(delete(worker).where(worker.c.id.in_([entry.id for entry in lost])))
    return lost


def orphans(tx: Tx, *, workflows: bool, limit: int = 500) -> list[Execution]:
    """Executions held by a worker that is no longer registered: workflows, or what workers run.

    They are answered to one caller at a time, which decides about them before it commits.
    """
    if not locks.try_lock(tx, Space.ORPHANS, "workflows" if workflows else "runs"):
        return []
    is_workflow = execution.c.queue == WORKFLOW_QUEUE
    query = (
        select(execution.c.id)
        .where(
            text(HELD),
            execution.c.worker_id.is_not(None),
            execution.c.worker_id.not_in(select(worker.c.id)),
            is_workflow if workflows else ~is_workflow,
        )
        .limit(limit)
    )
    return list(executions.get_many(tx, list(tx.execute(query).scalars())).values())


def held(tx: Tx, worker_id: str, statuses: Collection[Status] = ()) -> list[Execution]:
    """What this worker holds, without results."""
    query = select(execution.c.id).where(text(HELD), execution.c.worker_id == worker_id)
    if statuses:
        query = query.where(execution.c.status.in_([status.value for status in statuses]))
    return list(executions.get_many(tx, list(tx.execute(query).scalars())).values())


def held_ids(tx: Tx, worker_id: str) -> set[str]:
    """Ids of what this worker holds."""
    query = select(execution.c.id).where(text(HELD), execution.c.worker_id == worker_id)
    return set(tx.execute(query).scalars())


def count_held(tx: Tx) -> dict[str, int]:
    """Worker id → how many executions it holds."""
    query = select(execution.c.worker_id, func.count()).where(text(HELD)).group_by(execution.c.worker_id)
    return {str(key): count for key, count in tx.execute(query)}


def adopt(tx: Tx, execution_ids: Collection[str], lost_worker: str | None, engine_id: str) -> list[str]:
    """Give workflows of a lost engine to a living one under a new token; answers the ids that were won."""
    won = []
    for identifier in sorted(execution_ids):
        done = tx.execute(
            update(execution)
            .where(execution.c.id == identifier, execution.c.worker_id == lost_worker)
            .values(worker_id=engine_id, token=execution.c.token + 1)
        )
        if done.rowcount == 1:
            won.append(identifier)
    return won


def take_lease(tx: Tx, name: str, owner: str, seconds: float) -> int | None:
    """Take or extend the named lease; answers its fencing token, or None while another holds it.

    What a process of this host held that has ended is free.
    """
    moment = tx.execute(select(DbNow())).scalar_one()
    until = from_micros(moment) + timedelta(seconds=seconds)
    row = tx.execute(select(lease).where(lease.c.name == name).with_for_update()).mappings().first()
    if row is None:
        dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
        values = {"name": name, "owner": owner, "process": here(), "token": 1, "expires_at": until}
        place = dialect.insert(lease).values(values).on_conflict_do_nothing().returning(lease.c.token)
        return 1 if tx.execute(place).first() is not None else None
    if row["owner"] != owner and row["expires_at"] > from_micros(moment) and not gone(row["process"]):
        return None
    token: int = row["token"] + (1 if row["owner"] != owner else 0)
    values = {"owner": owner, "process": here(), "token": token, "expires_at": until}
    tx.execute(update(lease).where(lease.c.name == name).values(values))
    return token


#: In one order everywhere, so that two engines that hold some of each other's never wait for one another.
_HELD_LEASES = (
    select(lease.c.name, lease.c.token)
    .where(lease.c.owner == bindparam("owner"), lease.c.name.in_(bindparam("names", expanding=True)))
    .order_by(lease.c.name)
    .with_for_update()
)


def holds_leases(tx: Tx, owner: str, tokens: Mapping[str, int]) -> bool:
    """True when ``owner`` still holds every one of these leases with its token; they stay locked until the commit."""
    rows = tx.execute(_HELD_LEASES, {"owner": owner, "names": list(tokens)})
    return {row.name: row.token for row in rows} == dict(tokens)


def leases(tx: Tx, prefix: str) -> dict[str, str]:
    """Name → owner of the living leases whose name starts with ``prefix``."""
    moment = from_micros(tx.execute(select(DbNow())).scalar_one())
    query = select(lease.c.name, lease.c.owner).where(
        lease.c.name.startswith(prefix), lease.c.expires_at > moment
    )
    return {row.name: row.owner for row in tx.execute(query)}


def release_lease(tx: Tx, name: str, owner: str) -> None:
    """Let go of one lease, if ``owner`` holds it."""
    held = (lease.c.name == name, lease.c.owner == owner)
    tx.execute(update(lease).where(*held).values(expires_at=from_micros(0)))


def release_leases(tx: Tx, owner: str) -> None:
    """Let go of every lease of ``owner``; the tokens stay, so that they keep growing."""
    tx.execute(update(lease).where(lease.c.owner == owner).values(expires_at=from_micros(0)))
