"""The append-only log of each workflow (guarantee 8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from st_ops.errors import Conflict
from st_ops.model.identity import now
from st_ops.store.database import Tx
from st_ops.store.schema import workflow_log

#: One row: kind, key of the run or child it is about, and the rest.
Entry = tuple[str, str, dict[str, Any]]

_INSERT = insert(workflow_log)


def append(tx: Tx, workflow_id: str, first_seq: int, entries: Sequence[Entry]) -> None:
    """Add entries as ``first_seq``, ``first_seq + 1`` and so on.

    Raises Conflict when another engine wrote one of these meanwhile: read the log again.
    """
    moment = now()
    rows = [
        {
            "workflow_id": workflow_id,
            "seq": first_seq + index,
            "at": moment,
            "kind": kind,
            "key": key,
            "data": data,
        }
        for index, (kind, key, data) in enumerate(entries)
    ]
    if not rows:
        return
    try:
        tx.execute(_INSERT, rows)
    except IntegrityError as exc:
        raise Conflict(
            f"Another engine went on with workflow {workflow_id}.", conflict_id=workflow_id
        ) from exc


def read(tx: Tx, workflow_id: str) -> list[Entry]:
    """The whole log of one workflow, in order."""
    query = select(workflow_log.c.kind, workflow_log.c.key, workflow_log.c.data)
    rows = tx.execute(query.where(workflow_log.c.workflow_id == workflow_id).order_by(workflow_log.c.seq))
    return [(kind, key, data) for kind, key, data in rows]
