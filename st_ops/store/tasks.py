"""Workflows and their children: what an engine asks of the executions below the workflows it holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, select, text, update

from st_ops.model.executions import Execution
from st_ops.model.identity import now
from st_ops.model.status import Status
from st_ops.store.database import Tx
from st_ops.store.execution_rows import LIGHT, WHOLE, read, with_result
from st_ops.store.schema import HELD, execution

# Engines ask these at every turn: built once (see executions.py).
_parent = execution.alias("parent")
_OF_PARENT = execution.c.parent_id == bindparam("parent")
_OF_HELD = (_parent.c.id == execution.c.parent_id, _parent.c.worker_id == bindparam("engine"))
_CHILD = select(*WHOLE).where(_OF_PARENT, execution.c.task_key == bindparam("key"))
_UNFINISHED = select(*LIGHT).where(_OF_PARENT, execution.c.end_timestamp.is_(None))
_BY_KEY = select(*LIGHT).where(
    _OF_PARENT,
    execution.c.task_key.in_(bindparam("keys", expanding=True)),
    execution.c.status.in_(bindparam("statuses", expanding=True)),
)
_HALTED = select(*LIGHT).where(
    text(f"execution.{HELD}"), execution.c.status.in_(["paused", "pending"]), *_OF_HELD
)
_UNNOTICED = (
    select(*LIGHT)
    .where(text("execution.parent_notified = false AND execution.end_timestamp IS NOT NULL"), *_OF_HELD)
    .order_by(execution.c.end_timestamp, execution.c.id)
    .limit(bindparam("most"))
)
_TIMED = select(*LIGHT).where(
    text(HELD),
    execution.c.worker_id == bindparam("engine"),
    execution.c.timeout.is_not(None),
    execution.c.status != Status.CANCELING.value,
)
_NOTICED = (
    update(execution).where(execution.c.id.in_(bindparam("ids", expanding=True))).values(parent_notified=True)
)


def child(tx: Tx, parent_id: str, task_key: str) -> Execution | None:
    """The child of a workflow under this task key, with its result."""
    found = read(tx, _CHILD, {"parent": parent_id, "key": task_key})
    return with_result(tx, found[0]) if found else None


def overdue(tx: Tx, engine_id: str) -> list[Execution]:
    """Workflows this engine holds that have a timeout and are past it, and are not being ended already."""
    moment = now()
    return [
        entry
        for entry in read(tx, _TIMED, {"engine": engine_id})
        if entry.timeout
        and entry.start_timestamp
        and (moment - entry.start_timestamp).total_seconds() > entry.timeout
    ]


def unfinished_children(tx: Tx, parent_id: str) -> list[Execution]:
    """Children of a workflow that are not over."""
    return read(tx, _UNFINISHED, {"parent": parent_id})


def children_by_key(
    tx: Tx, parent_id: str, keys: Collection[str], statuses: Collection[Status]
) -> list[Execution]:
    """Children of a workflow under these task keys that are in one of ``statuses``."""
    named = [status.value for status in statuses]
    return read(tx, _BY_KEY, {"parent": parent_id, "keys": list(keys), "statuses": named})


def halted_children(tx: Tx, engine_id: str) -> list[Execution]:
    """Children, paused or pending, of the workflows this engine holds."""
    return read(tx, _HALTED, {"engine": engine_id})


def unnoticed_children(tx: Tx, engine_id: str, limit: int = 500) -> list[Execution]:
    """Finished children of the workflows this engine holds that it has not taken note of, oldest end first.

    Without results: whoever needs one reads it.
    """
    return read(tx, _UNNOTICED, {"engine": engine_id, "most": limit})


def mark_noticed(tx: Tx, ids: Sequence[str]) -> None:
    """The parents of these have taken note."""
    if ids:
        tx.execute(_NOTICED, {"ids": list(ids)})
