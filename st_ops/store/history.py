"""Looking back at executions: filtered lists, children, trees, counts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    String,
    asc,
    bindparam,
    desc,
    func,
    literal,
    select,
    text,
    union_all,
)

from st_ops.model.base import Model
from st_ops.model.executions import Execution
from st_ops.model.identity import now
from st_ops.model.status import Status
from st_ops.model.waiting import Waiting
from st_ops.store import hours
from st_ops.store.database import Tx
from st_ops.store.execution_rows import LIGHT, WHOLE, read, with_result
from st_ops.store.plans import OneOf, plan_anew
from st_ops.store.schema import PARENTLESS, READY, UNSUCCESSFUL, execution

#: From this offset on it is worth asking how many executions each hour has.
_FAR = 5_000

#: Counting stops here: a page needs to know "many", not how many millions.
COUNT_LIMIT = 10_000


class ExecutionFilter(Model):
    """What a list of executions is narrowed by; every given field must hold."""

    action: str | None = None
    status: tuple[str, ...] = ()
    user: str | None = None
    parent: str | None = None
    roots_only: bool = False
    runner: str | None = None
    rule: str | None = None
    trigger_instance: str | None = None
    trace_id: str | None = None
    run_key: str | None = None
    after: datetime | None = None
    before: datetime | None = None


_PLAIN = (
    ("action", "action"), ("user", "user"), ("parent_id", "parent"), ("runner", "runner"), ("rule", "rule"),
    ("trigger_instance_id", "trigger_instance"), ("trace_id", "trace_id"), ("run_key", "run_key"),
)  # fmt: skip


#: Statuses that ``UNSUCCESSFUL`` means.
_UNSUCCESSFUL = frozenset({Status.FAILED, Status.TIMEOUT, Status.ABANDONED, Status.CANCELED})
_ORDER = (execution.c.created_at, execution.c.id)


def _status_in(statuses: Collection[str]) -> ColumnElement[bool]:
    # They stand in the statement's own text, so that the database knows which of its indexes hold them.
    if len(statuses) == 1:
        (only,) = statuses
        return execution.c.status == bindparam("status", only, unique=True, literal_execute=True)
    every = bindparam(
        "status", list(statuses), type_=String(), unique=True, expanding=True, literal_execute=True
    )
    return execution.c.status.in_(every)


def _narrow(
    tx: Tx, query: Select[Any], wanted: ExecutionFilter, statuses: Collection[str] | None = None
) -> Select[Any]:
    """``statuses`` instead of those that are wanted."""
    statuses = wanted.status if statuses is None else statuses
    for column, name in _PLAIN:
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(execution.c[column] == value)
    if wanted.roots_only:
        query = query.where(text(PARENTLESS))
    if statuses:
        query = query.where(_status_in(statuses))
        if tx.dialect.name == "sqlite" and _UNSUCCESSFUL.issuperset(statuses):
            # SQLite takes the index only for its own words; PostgreSQL would count the condition twice.
            query = query.where(text(UNSUCCESSFUL))
    if wanted.after is not None:
        query = query.where(execution.c.created_at > wanted.after)
    if wanted.before is not None:
        query = query.where(execution.c.created_at < wanted.before)
    return query


def _page(
    tx: Tx, wanted: ExecutionFilter, turned: Callable[[Any], Any], limit: int, offset: int
) -> FromClause:
    """(created_at, id) of one page."""

    def cut(query: Select[Any], limit: int, offset: int) -> FromClause:
        ordered = query.order_by(*(turned(column) for column in query.selected_columns))
        return ordered.limit(limit).offset(offset).subquery()

    statuses = list(dict.fromkeys(wanted.status))
    if offset >= _FAR and wanted == ExecutionFilter():
        start = hours.landing(tx, offset, newest_first=turned is desc)
        far = select(*_ORDER)
        if start.moment is not None:
            moment = execution.c.created_at
            far = far.where(moment < start.moment if turned is desc else moment >= start.moment)
        return cut(far, limit, start.offset)
    if len(statuses) < 2:
        return cut(_narrow(tx, select(*_ORDER), wanted), limit, offset)
    # Each status is read from an index in the order of lists, and the database merges them.
    parts = [cut(_narrow(tx, select(*_ORDER), wanted, [status]), offset + limit, 0) for status in statuses]
    return cut(select(union_all(*map(select, parts)).subquery()), limit, offset)


def find(
    tx: Tx,
    wanted: ExecutionFilter,
    *,
    limit: int = 50,
    offset: int = 0,
    newest_first: bool = True,
    result: bool = False,
) -> list[Execution]:
    """One page, by creation."""
    plan_anew(tx)
    turned = desc if newest_first else asc
    # Rows are read for this page only: those passed over need nothing but the index.
    page = _page(tx, wanted, turned, limit, offset)
    query = select(*(WHOLE if result else LIGHT)).join(page, page.c.id == execution.c.id)
    found = read(tx, query.order_by(*(turned(column) for column in _ORDER)))
    return [with_result(tx, entry) for entry in found] if result else found


def ids(tx: Tx, wanted: ExecutionFilter, limit: int) -> list[str]:
    """The ids of at most ``limit``, oldest first."""
    query = _narrow(tx, select(execution.c.id), wanted)
    return list(tx.execute(query.order_by(execution.c.created_at, execution.c.id).limit(limit)).scalars())


def count(tx: Tx, wanted: ExecutionFilter, *, found: int = 0, limit: int = 0, offset: int = 0) -> int:
    """How many there are, counted up to COUNT_LIMIT.

    ``found`` is how many executions a page (``limit``, ``offset``) turned out to have: it often says it all.
    """
    ends_here = found < limit and (found > 0 or offset == 0)
    if ends_here or (found and offset + found >= COUNT_LIMIT):
        return min(offset + found, COUNT_LIMIT)
    plan_anew(tx)
    some = _narrow(tx, select(literal(1)).select_from(execution), wanted).limit(COUNT_LIMIT).subquery()
    return tx.execute(select(func.count()).select_from(some)).scalar_one()


def children(tx: Tx, parent_ids: Collection[str], *, result: bool = False) -> list[Execution]:
    """Direct children of these, in the order they were requested."""
    columns = WHOLE if result else LIGHT
    query = select(*columns).where(execution.c.parent_id.in_(list(parent_ids)))
    found = read(tx, query.order_by(*_ORDER))
    return [with_result(tx, entry) for entry in found] if result else found


_CHILDREN_IDS = (
    select(execution.c.parent_id, execution.c.id).where(OneOf(execution.c.parent_id)).order_by(*_ORDER)
)


def children_ids(tx: Tx, parent_ids: Collection[str]) -> dict[str, list[str]]:
    """Parent id → the ids of its direct children, in the order they were requested."""
    plan_anew(tx)
    found: dict[str, list[str]] = {}
    for parent, child in tx.execute(_CHILDREN_IDS, {"ids": list(parent_ids)}).all():
        found.setdefault(parent, []).append(child)
    return found


def descendants(tx: Tx, root_id: str, depth: int = -1, *, result: bool = False) -> list[Execution]:
    """Everything below ``root_id``, level by level; ``depth`` levels (-1 = all)."""
    found: list[Execution] = []
    level = [root_id]
    while level and depth != 0:
        below = children(tx, level, result=result)
        found += below
        level = [entry.id for entry in below]
        depth -= 1
    return found


def count_by_status(tx: Tx, statuses: Collection[str]) -> dict[str, int]:
    """Status → number of executions in it, for the given (unfinished) statuses."""
    query = select(execution.c.status, func.count()).where(execution.c.status.in_(list(statuses)))
    return {row[0]: row[1] for row in tx.execute(query.group_by(execution.c.status))}


def waiting(tx: Tx) -> list[Waiting]:
    """What is ready and waits for a worker or engine, by queue and needs."""
    oldest = func.min(execution.c.ready_at, type_=execution.c.ready_at.type)
    query = select(execution.c.queue, execution.c.needs, func.count(), oldest)
    query = query.where(text(READY), execution.c.ready_at <= now())
    rows = tx.execute(query.group_by(execution.c.queue, execution.c.needs).order_by(execution.c.queue))
    return [
        Waiting(queue=queue, needs=needs, count=number, oldest=since) for queue, needs, number, since in rows
    ]


def last(tx: Tx) -> Execution | None:
    """The newest execution."""
    found = find(tx, ExecutionFilter(), limit=1)
    return found[0] if found else None
