"""Workflows and their children: what an engine asks of the executions below the workflows it holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select, text, update

from st_ops.model.executions import Execution
from st_ops.model.identity import now
from st_ops.model.status import Status
from st_ops.store.database import Tx
from st_ops.store.execution_rows import LIGHT, WHOLE, read, with_result
from st_ops.store.schema import HELD, execution


def child(tx: Tx, parent_id: str, task_key: str) -> Execution | None:
    """The child of a workflow under this task key, with its result."""
    same = (execution.c.parent_id == parent_id, execution.c.task_key == task_key)
    found = read(tx, select(*WHOLE).where(*same))
    return with_result(tx, found[0]) if found else None


def overdue(tx: Tx, engine_id: str) -> list[Execution]:
    """Workflows this engine holds that have a timeout and are past it, and are not being ended already."""
    query = select(*LIGHT).where(
        text(HELD),
        execution.c.worker_id == engine_id,
        execution.c.timeout.is_not(None),
        execution.c.status != Status.CANCELING.value,
    )
    moment = now()
    found = read(tx, query)
    return [
        entry
        for entry in found
        if entry.timeout
        and entry.start_timestamp
        and (moment - entry.start_timestamp).total_seconds() > entry.timeout
    ]


def unfinished_children(tx: Tx, parent_id: str) -> list[Execution]:
    """Children of a workflow that are not over."""
    query = select(*LIGHT).where(execution.c.parent_id == parent_id, execution.c.end_timestamp.is_(None))
    return read(tx, query)


def children_by_key(
    tx: Tx, parent_id: str, keys: Collection[str], statuses: Collection[Status]
) -> list[Execution]:
    """Children of a workflow under these task keys that are in one of ``statuses``."""
    query = select(*LIGHT).where(
        execution.c.parent_id == parent_id,
        execution.c.task_key.in_(list(keys)),
        execution.c.status.in_([status.value for status in statuses]),
    )
    return read(tx, query)


def halted_children(tx: Tx, engine_id: str) -> list[Execution]:
    """Children, paused or pending, of the workflows this engine holds."""
    parent = execution.alias("parent")
    query = (
        select(*LIGHT)
        .join(parent, parent.c.id == execution.c.parent_id)
        .where(
            text(f"execution.{HELD}"),
            execution.c.status.in_(["paused", "pending"]),
            parent.c.worker_id == engine_id,
        )
    )
    return read(tx, query)


def unnoticed_children(tx: Tx, engine_id: str, limit: int = 500) -> list[Execution]:
    """Finished children of the workflows this engine holds that it has not taken note of, oldest end first.

    Without results: whoever needs one reads it.
    """
    parent = execution.alias("parent")
    query = (
        select(*LIGHT)
        .join(parent, parent.c.id == execution.c.parent_id)
        .where(
            text("execution.parent_notified = false AND execution.end_timestamp IS NOT NULL"),
            parent.c.worker_id == engine_id,
        )
        .order_by(execution.c.end_timestamp, execution.c.id)
        .limit(limit)
    )
    return read(tx, query)


def mark_noticed(tx: Tx, ids: Sequence[str]) -> None:
    """The parents of these have taken note."""
    if ids:
        tx.execute(update(execution).where(execution.c.id.in_(ids)).values(parent_notified=True))
