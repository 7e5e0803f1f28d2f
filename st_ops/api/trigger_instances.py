"""Trigger instances: the events that were accepted, and those that were refused."""

from __future__ import annotations

from concurrent.futures import Future

from fastapi import APIRouter, Response

from st_ops.api.answers import Json
from st_ops.api.auth import Caller
from st_ops.api.fields import Wanted
from st_ops.api.paging import Paged
from st_ops.api.services import ApiServices, Services
from st_ops.api.shapes import instance_shape
from st_ops.api.times import moment
from st_ops.errors import NotFound
from st_ops.model.events import Accepted, NewEvent, TriggerInstance, trigger_ref_for
from st_ops.store import events

router = APIRouter(tags=["trigger instances"])

#: Seconds to wait for the commit of a re-emitted event.
_COMMIT_SECONDS = 30


@router.get("/triggerinstances")
def list_trigger_instances(
    services: Services,
    page: Paged,
    fields: Wanted,
    trigger: str | None = None,
    trigger_type: str | None = None,
    status: str | None = None,
    timestamp_gt: str | None = None,
    timestamp_lt: str | None = None,
) -> Response:
    """Newest first. ``trigger`` is a trigger's ref; ``trigger_type`` a type's, with whatever parameters."""
    wanted = [trigger] if trigger else _triggers_of(services, trigger_type) if trigger_type else None
    with services.database.read() as tx:
        found, total = events.find(
            tx,
            triggers=wanted,
            status=status,
            after=moment("timestamp_gt", timestamp_gt),
            before=moment("timestamp_lt", timestamp_lt),
            limit=page.limit,
            offset=page.offset,
        )
    return page.answer([fields.choose(instance_shape(entry)) for entry in found], total)


def _triggers_of(services: ApiServices, trigger_type: str) -> list[str]:
    rules = services.catalog.current().rules.values()
    made = {
        trigger_ref_for(trigger_type, rule.trigger.parameters)
        for rule in rules
        if rule.trigger.type == trigger_type
    }
    return sorted({trigger_type, *made})


@router.get("/triggerinstances/{instance_id}")
def get_trigger_instance(services: Services, fields: Wanted, instance_id: str) -> Response:
    """One event."""
    return Json(fields.choose(instance_shape(_get(services, instance_id))))


@router.post("/triggerinstances/{instance_id}/re_emit")
def re_emit(services: Services, caller: Caller, instance_id: str) -> Response:
    """The same event once more, as a new one that names the original in its payload (StackStorm 1.5)."""
    original = _get(services, instance_id)
    payload = {**original.payload, "__context": {"original_id": original.id}}
    event = NewEvent(
        trigger=original.trigger, payload=payload, series=original.series, episode=original.episode,
        trace_tag=original.trace_tag, source=f"api {caller.user}",
    )  # fmt: skip
    future: Future[Accepted] = services.intake.accept(event)
    accepted = future.result(_COMMIT_SECONDS)
    message = f"Trigger instance {original.id} was emitted again as {accepted.id}."
    return Json({"message": message, "payload": payload, "id": accepted.id})


def _get(services: ApiServices, identifier: str) -> TriggerInstance:
    with services.database.read() as tx:
        found = events.get(tx, identifier)
    if found is None:
        raise NotFound("trigger instance", identifier, "'st-ops trigger-instance list' shows the newest.")
    return found


@router.get("/rejectedevents")
def list_rejected(services: Services, page: Paged, fields: Wanted) -> Response:
    """What was sent to us and could not become an event, newest first, with the reason."""
    with services.database.read() as tx:
        found = events.find_rejected(tx, limit=page.limit, offset=page.offset)
        total = events.count_rejected(tx)
    return page.answer([fields.choose(entry.model_dump()) for entry in found], total)
