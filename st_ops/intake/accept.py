"""The only door for events: who it is, whether it is a repeat, then onto disk, then the bell.

``accept`` serves everybody outside a transaction (webhooks, sensors, the API); concurrent callers share
a commit. ``emit`` serves stages that write an event in the transaction of what caused it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from st_ops.bus.interface import Bus
from st_ops.errors import InvalidInput, NotFound
from st_ops.expressions.parameter_schema import validate_payload
from st_ops.metrics import Metrics
from st_ops.model.bells import Bell, Topic
from st_ops.model.events import Accepted, NewEvent, TriggerInstance
from st_ops.model.records import AuditEntry
from st_ops.packs.catalog import Catalog, Snapshot
from st_ops.store import audit, events
from st_ops.store.database import Database, Tx
from st_ops.store.group_commit import GroupCommit


class Intake:
    """Validates, stores and announces events."""

    def __init__(
        self, database: Database, bus: Bus, catalog: Catalog, metrics: Metrics | None = None
    ) -> None:
        """``metrics`` count what is accepted; None counts for nobody."""
        self._bus = bus
        self._catalog = catalog
        self._metrics = metrics or Metrics()
        #: The batch that is being committed; of the committing thread alone.
        self._batch: Sequence[TriggerInstance] = ()
        self._commit: GroupCommit[TriggerInstance, Accepted] = GroupCommit(
            "intake", database, self._write, self._ring
        )

    def open(self) -> None:
        """Start accepting."""
        self._commit.open()

    def close(self) -> None:
        """Commit what was submitted and stop. Idempotent."""
        self._commit.close()

    def accept(self, event: NewEvent) -> Future[Accepted]:
        """Take one event; the future resolves once it is safe on disk (guarantee 1).

        Raises NotFound for an unknown trigger type, InvalidInput for a payload that breaks its schema,
        Unavailable (also from the future) when the store is away.
        """
        return self.accept_all([event])[0]

    def accept_all(self, many: Sequence[NewEvent]) -> list[Future[Accepted]]:
        """Take events that belong together; each future as ``accept`` answers it.

        Raises as ``accept`` does for the first that is wrong; then none is taken.
        """
        snapshot = self._catalog.cached()
        for event in many:
            _validate(snapshot, event)
        return [self._commit.submit(_instance(event)) for event in many]

    def _write(self, tx: Tx, batch: Sequence[TriggerInstance]) -> list[Accepted]:
        self._batch = batch
        return _store(tx, batch)

    def _ring(self, answers: Sequence[Accepted]) -> None:
        fresh = [answer.id for answer in answers if not answer.duplicate]
        if fresh:
            self._bus.publish(Bell(topic=Topic.EVENT_ACCEPTED, ids=fresh))
        for entry, answer in zip(self._batch, answers, strict=True):
            self._metrics.observe_event(entry.source, answer.duplicate)


def _validate(snapshot: Snapshot, event: NewEvent) -> None:
    kind = snapshot.type_of(event.trigger)
    if kind is None:
        if not snapshot.knows_trigger(event.trigger):
            raise NotFound("trigger", event.trigger, "'st-ops trigger list' shows what there is.")
        return
    if not kind.payload_schema:
        return
    try:
        validate_payload(kind.payload_schema, event.payload)
    except InvalidInput as exc:
        of_type = "" if kind.ref == event.trigger else f" (of type '{kind.ref}')"
        raise InvalidInput(
            f"The payload for trigger '{event.trigger}'{of_type} is not valid: {exc}", where=exc.where
        ) from exc


def emit(tx: Tx, items: Sequence[NewEvent], trace_id: str = "") -> list[Accepted]:
    """Store events within the caller's transaction; the caller rings EVENT_ACCEPTED after its commit."""
    return _store(tx, [_instance(entry, trace_id) for entry in items])


def _instance(event: NewEvent, trace_id: str = "") -> TriggerInstance:
    return TriggerInstance(
        trigger=event.trigger, payload=event.payload, delivery=event.delivery, series=event.series,
        episode=event.episode, trace_id=trace_id or event.trace_id, trace_tag=event.trace_tag, source=event.source,
    )  # fmt: skip


def _store(tx: Tx, batch: Sequence[TriggerInstance]) -> list[Accepted]:
    answers = events.insert_new(tx, batch)
    entries = [
        AuditEntry(
            actor=entry.source or "system", verb="accepted", kind="trigger_instance", ref=entry.trigger,
            subject_id=entry.id, trace_id=entry.trace_id or entry.id,
        )
        for entry, answer in zip(batch, answers, strict=True) if not answer.duplicate
    ]  # fmt: skip
    audit.record(tx, entries)
    return answers
