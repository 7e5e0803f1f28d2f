"""Sensor types: what watches, and which trigger types it emits."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from st_ops.api import changes
from st_ops.api.answers import Json
from st_ops.api.auth import Caller
from st_ops.api.content_shapes import sensor_shape
from st_ops.api.fields import Wanted
from st_ops.api.masking import Mask
from st_ops.api.paging import Paged
from st_ops.api.registered import Registry, page_of_content
from st_ops.api.services import Services
from st_ops.errors import InvalidInput
from st_ops.model.resources import SensorType
from st_ops.store.registry import Registered

router = APIRouter(tags=["sensors"])


@router.get("/sensortypes")
def list_sensors(
    registry: Registry,
    page: Paged,
    fields: Wanted,
    pack: str | None = None,
    name: str | None = None,
    enabled: bool | None = None,
    trigger: str | None = None,
) -> Response:
    """Sensors by ref; ``trigger`` is the ref of a trigger type they emit."""
    found = registry.matching("sensor", pack=pack, name=name, enabled=enabled)
    if trigger:
        found = [entry for entry in found if trigger in _shape(entry)["trigger_types"]]
    return page_of_content(found, page, fields, sensor_shape)


@router.get("/sensortypes/{ref}")
def get_sensor(registry: Registry, fields: Wanted, ref: str) -> Response:
    """One sensor by ref or id."""
    return Json(fields.choose(_shape(registry.get("sensor", ref))))


@router.put("/sensortypes/{ref}")
def change_sensor(
    services: Services, registry: Registry, caller: Caller, ref: str, body: Annotated[dict[str, Any], Body()]
) -> Response:
    """Enable or disable a sensor; nothing else of it can be changed here (as in StackStorm)."""
    if not isinstance(body.get("enabled"), bool):
        raise InvalidInput("The body must say 'enabled': true or false.", where="enabled")
    entry = changes.set_enabled(services, registry, "sensor", ref, body["enabled"], caller.user)
    return Json(_shape(entry))


def _shape(entry: Registered) -> dict[str, Any]:
    assert isinstance(entry.item, SensorType)
    return sensor_shape(entry.item, Mask(), entry.id)
