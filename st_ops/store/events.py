"""Trigger instances, rule enforcements and rejected events."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, insert, literal, select, text, update

from st_ops.model.events import (
    Accepted,
    EnforcementStatus,
    InstanceStatus,
    RejectedEvent,
    RuleEnforcement,
    TriggerInstance,
)
from st_ops.store.bulk import BulkInsert
from st_ops.store.database import Tx
from st_ops.store.plans import OneOf, plan_anew
from st_ops.store.schema import PENDING, enforcement, event, rejected_event

#: Counting stops here: a page needs to know "many", not how many millions.
COUNT_LIMIT = 10_000
#: Series are hashed over this many; engines share them out among themselves.
PARTITIONS = 256

_INSERT = BulkInsert(event, [column.name for column in event.c if column.name != "seq"])
_INSERT_ENFORCEMENTS = BulkInsert(enforcement)


def partition_of(series: str, trigger: str) -> int:
    """The partition (0 … 255) in which events of this series are matched, one after the other."""
    return zlib.crc32((series or trigger).encode()) % PARTITIONS


def insert_new(tx: Tx, instances: Sequence[TriggerInstance]) -> list[Accepted]:
    """Store events in order; one whose ``delivery`` is known already is dropped and counted on the first.

    Answers, per event, the id of the row that stands for it.
    """
    first: dict[str, str] = {}
    repeats: dict[str, int] = {}
    known = _known_deliveries(tx, [entry.delivery for entry in instances if entry.delivery])
    answers, rows = [], []
    for entry in instances:
        delivery = entry.delivery
        earlier = None if delivery is None else known.get(delivery) or first.get(delivery)
        if earlier is not None:
            repeats[earlier] = repeats.get(earlier, 0) + 1
            answers.append(Accepted(id=earlier, duplicate=True))
            continue
        if delivery is not None:
            first[delivery] = entry.id
        rows.append(_row(entry))
        answers.append(Accepted(id=entry.id))
    _INSERT(tx, rows)
    for identifier, count in repeats.items():
        tx.execute(update(event).where(event.c.id == identifier).values(repeats=event.c.repeats + count))
    return answers


def _known_deliveries(tx: Tx, deliveries: Collection[str]) -> dict[str, str]:
    if not deliveries:
        return {}
    if tx.dialect.name == "postgresql":
        # Two nodes may accept one delivery at the same moment: the second waits here for the first's commit.
        for delivery in sorted(set(deliveries)):
            tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:d, 0))"), {"d": delivery})
    rows = tx.execute(select(event.c.delivery, event.c.id).where(event.c.delivery.in_(set(deliveries))))
    return {str(delivery): identifier for delivery, identifier in rows}


def _row(entry: TriggerInstance) -> dict[str, Any]:
    return {
        "id": entry.id,
        "trigger": entry.trigger,
        "payload": entry.payload,
        "occurrence_time": entry.occurrence_time,
        "status": entry.status.value,
        "delivery": entry.delivery,
        "series": entry.series,
        "episode": entry.episode,
        "partition": partition_of(entry.series, entry.trigger),
        "trace_id": entry.trace_id or entry.id,
        "trace_tag": entry.trace_tag,
        "source": entry.source,
        "repeats": 0,
    }


def pending(tx: Tx, partitions: Collection[int] | None, limit: int) -> list[TriggerInstance]:
    """The oldest unmatched events of these partitions (None = all), in the order of their acceptance."""
    query = select(event).where(text(PENDING))
    if partitions is not None:
        query = query.where(event.c.partition.in_(partitions))
    return [_instance(row) for row in tx.execute(query.order_by(event.c.seq).limit(limit)).mappings()]


def count_pending(tx: Tx) -> int:
    """How many events wait to be matched."""
    return tx.execute(select(func.count()).select_from(event).where(text(PENDING))).scalar_one()


def finish(tx: Tx, ids: Sequence[str], status: InstanceStatus) -> None:
    """Mark events as done with ``status``."""
    if ids:
        tx.execute(update(event).where(event.c.id.in_(ids)).values(status=status.value))


def get(tx: Tx, identifier: str) -> TriggerInstance | None:
    """One event by id."""
    row = tx.execute(select(event).where(event.c.id == identifier)).mappings().first()
    return None if row is None else _instance(row)


_MANY = select(event).where(OneOf(event.c.id))


def get_many(tx: Tx, identifiers: Collection[str]) -> dict[str, TriggerInstance]:
    """Events by id; absent ones are left out."""
    plan_anew(tx)
    return {row["id"]: _instance(row) for row in tx.execute(_MANY, {"ids": list(identifiers)}).mappings()}


def find(
    tx: Tx,
    *,
    trigger: str | None = None,
    triggers: Collection[str] | None = None,
    status: str | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
    limit: int = 50,
    offset: int = 0,
) -> tuple[list[TriggerInstance], int]:
    """Newest first, and how many there are, counted up to COUNT_LIMIT. ``triggers``: of any of these."""
    query = select(event)
    if trigger:
        query = query.where(event.c.trigger == trigger)
    if triggers is not None:
        query = query.where(event.c.trigger.in_(list(triggers)))
    if status:
        # The few that are pending have an index of their own.
        waits = status == InstanceStatus.PENDING.value
        query = query.where(text(PENDING) if waits else event.c.status == status)
    if after:
        query = query.where(event.c.occurrence_time > after)
    if before:
        query = query.where(event.c.occurrence_time < before)
    total = _count(tx, query)
    rows = tx.execute(query.order_by(event.c.seq.desc()).limit(limit).offset(offset)).mappings()
    return [_instance(row) for row in rows], total


def _instance(row: Any) -> TriggerInstance:
    return TriggerInstance.model_validate({key: row[key] for key in TriggerInstance.model_fields})


def _count(tx: Tx, query: Select[Any]) -> int:
    some = query.with_only_columns(literal(1), maintain_column_froms=True).limit(COUNT_LIMIT).subquery()
    return tx.execute(select(func.count()).select_from(some)).scalar_one()


def enforced_pairs(tx: Tx, event_ids: Collection[str]) -> set[tuple[str, str]]:
    """(event id, rule ref) of what was enforced already for these events."""
    if not event_ids:
        return set()
    query = select(enforcement.c.event_id, enforcement.c.rule_ref).where(
        enforcement.c.event_id.in_(list(event_ids))
    )
    return {(event_id, rule_ref) for event_id, rule_ref in tx.execute(query)}


def insert_enforcements(tx: Tx, entries: Sequence[RuleEnforcement]) -> None:
    """Store enforcements. A second one of an event and rule raises IntegrityError (guarantee 2)."""
    rows = [
        {
            "id": entry.id,
            "rule_ref": entry.rule_ref,
            "event_id": entry.trigger_instance_id,
            "execution_id": entry.execution_id,
            "failure_reason": entry.failure_reason,
            "enforced_at": entry.enforced_at,
            "status": entry.status.value,
        }
        for entry in entries
    ]
    _INSERT_ENFORCEMENTS(tx, rows)


def find_enforcements(
    tx: Tx,
    *,
    identifier: str | None = None,
    rule_ref: str | None = None,
    trigger_instance_id: str | None = None,
    execution_id: str | None = None,
    status: EnforcementStatus | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
    limit: int = 50,
    offset: int = 0,
) -> tuple[list[RuleEnforcement], int]:
    """Newest first, and how many there are, counted up to COUNT_LIMIT."""
    query = select(enforcement)
    columns = (
        ("id", identifier), ("rule_ref", rule_ref), ("event_id", trigger_instance_id),
        ("execution_id", execution_id), ("status", status and status.value),
    )  # fmt: skip
    for name, value in columns:
        if value is not None:
            query = query.where(enforcement.c[name] == value)
    if after:
        query = query.where(enforcement.c.enforced_at > after)
    if before:
        query = query.where(enforcement.c.enforced_at < before)
    total = _count(tx, query)
    order = (enforcement.c.enforced_at.desc(), enforcement.c.id.desc())
    rows = tx.execute(query.order_by(*order).limit(limit).offset(offset)).mappings()
    return [_enforcement(row) for row in rows], total


def _enforcement(row: Any) -> RuleEnforcement:
    values = {key: row[key] for key in RuleEnforcement.model_fields if key != "trigger_instance_id"}
    return RuleEnforcement.model_validate({**values, "trigger_instance_id": row["event_id"]})


def reject(tx: Tx, entry: RejectedEvent) -> None:
    """Keep what could not become an event."""
    tx.execute(insert(rejected_event), [entry.model_dump()])


def find_rejected(tx: Tx, limit: int = 50, offset: int = 0) -> list[RejectedEvent]:
    """Newest first."""
    query = select(rejected_event).order_by(rejected_event.c.at.desc()).limit(limit).offset(offset)
    return [RejectedEvent.model_validate(dict(row)) for row in tx.execute(query).mappings()]


def count_rejected(tx: Tx) -> int:
    """How many were rejected and are still kept."""
    return tx.execute(select(func.count()).select_from(rejected_event)).scalar_one()
