"""Run keys: one execution per action and key; and whether an action has succeeded under one, or lately."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update

from st_ops.model.executions import Execution
from st_ops.model.records import AuditEntry
from st_ops.model.status import TERMINAL, Status
from st_ops.store import audit, executions
from st_ops.store.database import Tx
from st_ops.store.schema import execution

#: Ends after which a key may be taken over by another try.
_FAILED = sorted(status.value for status in TERMINAL - {Status.SUCCEEDED})


def take_over(tx: Tx, entry: Execution, actor: str) -> Execution | None:
    """Take ``entry``'s run key away from the execution that has it, when that one ended without success.

    The old one remembers it in its context (``run_key``, ``superseded_by``). Answers the old one; None when nobody
    has the key, or its holder is unfinished or succeeded. Of several callers at once only one is answered.
    """
    holds = (execution.c.action == entry.action, execution.c.run_key == entry.run_key)
    query = select(execution.c.id).where(*holds, execution.c.status.in_(_FAILED)).with_for_update()
    identifier = tx.execute(query).scalar_one_or_none()
    old = None if identifier is None else executions.get(tx, identifier, result=False)
    if old is None:
        return None
    tx.execute(update(execution).where(execution.c.id == old.id).values(run_key=None))
    executions.set_context(tx, old.id, {**old.context, "run_key": entry.run_key, "superseded_by": entry.id})
    audit.record(tx, [AuditEntry(
        actor=actor, verb="superseded", kind="execution", ref=old.action, subject_id=old.id, trace_id=old.trace_id,
        reason=f"execution {entry.id} runs again under the run key '{entry.run_key}'",
        detail={"superseded_by": entry.id, "run_key": entry.run_key},
    )])  # fmt: skip
    return old


def succeeded(tx: Tx, action: str, *, run_key: str | None = None, since: datetime | None = None) -> bool:
    """True when ``action`` has succeeded: under ``run_key``, or not before ``since``."""
    query = select(execution.c.id).where(
        execution.c.action == action, execution.c.status == Status.SUCCEEDED.value
    )
    if run_key is not None:
        query = query.where(execution.c.run_key == run_key)
    if since is not None:
        query = query.where(execution.c.end_timestamp >= since)
    return tx.execute(query.order_by(execution.c.created_at.desc()).limit(1)).first() is not None


def is_taken(tx: Tx, action: str, run_key: str | None) -> bool:
    """True when an execution of ``action`` has this run key."""
    if run_key is None:
        return False
    same = (execution.c.action == action, execution.c.run_key == run_key)
    return tx.execute(select(execution.c.id).where(*same)).first() is not None
