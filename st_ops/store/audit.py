"""The audit log: rows are only ever added, in the transaction of what they tell of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Insert, Update, bindparam, insert, literal, select

from st_ops.model.records import AuditEntry
from st_ops.model.status import Status
from st_ops.store.bulk import BulkInsert
from st_ops.store.database import Tx
from st_ops.store.plans import OneOf, plan_anew
from st_ops.store.schema import audit

_INSERT = BulkInsert(audit, list(AuditEntry.model_fields))


def record(tx: Tx, entries: Sequence[AuditEntry]) -> None:
    """Add ``entries``, in order."""
    if entries:
        # A row has an entry's very fields: nothing need be copied.
        _INSERT(tx, [entry.__dict__ for entry in entries])


class Noted:
    """A statement that changes one row, together with the audit row of that change: on PostgreSQL one round trip."""

    def __init__(self, change: Insert | Update, answer: ColumnElement[Any] | None = None) -> None:
        """``change`` has all its values as parameters; ``answer`` is a column to be read on the way."""
        answers = () if answer is None else (answer,)
        self._change = change.returning(*answers) if answers else change
        row = {name: bindparam(f"audit_{name}", type_=audit.c[name].type) for name in AuditEntry.model_fields}
        noted = insert(audit).values(row).add_cte(change.returning(literal(1)).cte("change"))
        self._both = noted.returning(*answers) if answers else noted

    def __call__(self, tx: Tx, values: Mapping[str, Any], entry: AuditEntry) -> Any:
        """Do it; what ``answer`` was, or None."""
        if tx.dialect.name == "postgresql":
            fields = {f"audit_{name}": value for name, value in entry.__dict__.items()}
            done = tx.execute(self._both, {**values, **fields})
            return done.scalar_one() if done.returns_rows else None
        done = tx.execute(self._change, values)
        found = done.scalar_one() if done.returns_rows else None
        record(tx, [entry])
        return found


def find(
    tx: Tx,
    *,
    trace_id: str | None = None,
    subject_id: str | None = None,
    kind: str | None = None,
    verb: str | None = None,
    actor: str | None = None,
    limit: int = 100,
    offset: int = 0,
    newest_first: bool = True,
) -> list[AuditEntry]:
    """The entries that meet every given condition."""
    query = select(audit)
    for column, value in (
        ("trace_id", trace_id),
        ("subject_id", subject_id),
        ("kind", kind),
        ("verb", verb),
        ("actor", actor),
    ):
        if value is not None:
            query = query.where(audit.c[column] == value)
    query = query.order_by(audit.c.seq.desc() if newest_first else audit.c.seq).limit(limit).offset(offset)
    rows = tx.execute(query).mappings()
    return [AuditEntry.model_validate({key: row[key] for key in AuditEntry.model_fields}) for row in rows]


_STATUS_LOG = (
    select(audit.c.subject_id, audit.c.at, audit.c.verb)
    .where(
        OneOf(audit.c.subject_id),
        audit.c.kind == "execution",
        audit.c.verb.in_([status.value for status in Status]),
    )
    .order_by(audit.c.seq)
)


def status_log(tx: Tx, execution_ids: Collection[str]) -> dict[str, list[tuple[datetime, str]]]:
    """Execution id → (moment, status) of every status it took, in order."""
    plan_anew(tx)
    found: dict[str, list[tuple[datetime, str]]] = {}
    for subject, moment, verb in tx.execute(_STATUS_LOG, {"ids": list(execution_ids)}).all():
        found.setdefault(subject, []).append((moment, verb))
    return found
