"""The append-only log of each workflow (guarantee 8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select

from st_ops.model.identity import now
from st_ops.store.database import Tx
from st_ops.store.schema import workflow_log


def append(tx: Tx, workflow_id: str, first_seq: int, entries: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Add (kind, data) entries as ``first_seq``, ``first_seq + 1`` …

    Raises sqlalchemy.exc.IntegrityError when another engine wrote one of these: read the log again.
    """
    moment = now()
    rows = [
        {"workflow_id": workflow_id, "seq": first_seq + index, "at": moment, "kind": kind, "data": data}
        for index, (kind, data) in enumerate(entries)
    ]
    if rows:
        tx.execute(insert(workflow_log), rows)


def read(tx: Tx, workflow_id: str, after_seq: int = -1) -> list[tuple[int, str, dict[str, Any]]]:
    """(seq, kind, data) of one workflow in order, after ``after_seq``."""
    query = (
        select(workflow_log.c.seq, workflow_log.c.kind, workflow_log.c.data)
        .where(workflow_log.c.workflow_id == workflow_id, workflow_log.c.seq > after_seq)
        .order_by(workflow_log.c.seq)
    )
    return [(seq, kind, data) for seq, kind, data in tx.execute(query)]
