"""Trigger types (the kinds of event) and triggers (a type with the parameters some rule asks for)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response

from st_ops.api import changes
from st_ops.api.answers import Json
from st_ops.api.auth import Caller
from st_ops.api.content_shapes import trigger_type_shape
from st_ops.api.fields import Wanted
from st_ops.api.masking import Mask
from st_ops.api.paging import Paged
from st_ops.api.registered import Registry, page_of_content
from st_ops.api.services import Services
from st_ops.errors import NotFound
from st_ops.model.events import Trigger, trigger_ref_for
from st_ops.packs.catalog import Snapshot
from st_ops.packs.kinds.triggers import build_trigger_types

router = APIRouter(tags=["triggers"])

Content = Annotated[dict[str, Any], Body(description="The trigger type, as in a pack's file.")]


@router.get("/triggertypes")
def list_trigger_types(
    registry: Registry, page: Paged, fields: Wanted, pack: str | None = None, name: str | None = None
) -> Response:
    """Trigger types by ref."""
    entries = registry.matching("trigger_type", pack=pack, name=name)
    return page_of_content(entries, page, fields, trigger_type_shape)


@router.post("/triggertypes", status_code=201)
def create_trigger_type(services: Services, registry: Registry, caller: Caller, body: Content) -> Response:
    """Register a trigger type that no pack's file describes."""
    item = changes.build(build_trigger_types, body)
    made = changes.create(services, registry, "trigger_type", item, caller.user)
    return Json(trigger_type_shape(made.item, Mask(), made.id), status_code=201)  # type: ignore[arg-type]


@router.get("/triggertypes/{ref}")
def get_trigger_type(registry: Registry, fields: Wanted, ref: str) -> Response:
    """One trigger type by ref or id."""
    entry = registry.get("trigger_type", ref)
    return Json(fields.choose(trigger_type_shape(entry.item, Mask(), entry.id)))  # type: ignore[arg-type]


@router.delete("/triggertypes/{ref}", status_code=204)
def delete_trigger_type(services: Services, registry: Registry, caller: Caller, ref: str) -> Response:
    """Remove a trigger type that was made through the API."""
    changes.remove(services, registry, "trigger_type", ref, caller.user)
    return Response(status_code=204)


@router.get("/triggers")
def list_triggers(
    services: Services,
    page: Paged,
    fields: Wanted,
    trigger_type: Annotated[str | None, Query(alias="type")] = None,
    pack: str | None = None,
) -> Response:
    """Triggers by ref: one per trigger type, and one per set of parameters that a rule gives a type."""
    found = [
        entry
        for entry in triggers(services.catalog.current())
        if (trigger_type is None or entry.type == trigger_type) and (pack is None or entry.pack == pack)
    ]
    return page.answer([fields.choose(_shape(entry)) for entry in page.of(found)], len(found))


@router.get("/triggers/{ref}")
def get_trigger(services: Services, fields: Wanted, ref: str) -> Response:
    """One trigger by ref."""
    for entry in triggers(services.catalog.current()):
        if entry.ref == ref:
            return Json(fields.choose(_shape(entry)))
    raise NotFound("trigger", ref, "'st-ops trigger list' shows what there is.")


def triggers(snapshot: Snapshot) -> list[Trigger]:
    """Every trigger there is, by ref."""
    found = {ref: Trigger(ref=ref, type=ref) for ref in snapshot.trigger_types}
    for rule in snapshot.rules.values():
        ref = trigger_ref_for(rule.trigger.type, rule.trigger.parameters)
        found[ref] = Trigger(ref=ref, type=rule.trigger.type, parameters=rule.trigger.parameters)
    return [found[ref] for ref in sorted(found)]


def _shape(entry: Trigger) -> dict[str, Any]:
    return {
        "id": entry.ref,
        "uid": f"trigger:{entry.pack}:{entry.name}",
        "ref": entry.ref,
        "name": entry.name,
        "pack": entry.pack,
        "type": entry.type,
        "parameters": entry.parameters,
    }
