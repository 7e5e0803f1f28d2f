"""Sensor types: what watches, and which trigger types it emits."""

from __future__ import annotations

from datetime import datetime
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
from st_ops.model.identity import iso, now
from st_ops.model.resources import SensorType
from st_ops.model.sensors import SensorState
from st_ops.store import sensors
from st_ops.store.registry import Registered

router = APIRouter(tags=["sensors"])


@router.get("/sensortypes")
def list_sensors(
    services: Services,
    registry: Registry,
    page: Paged,
    fields: Wanted,
    pack: str | None = None,
    name: str | None = None,
    enabled: bool | None = None,
    trigger: str | None = None,
) -> Response:
    """Sensors by ref, each with its ``state`` in whatever process it runs.

    ``trigger`` is the ref of a trigger type they emit.
    """
    found = registry.matching("sensor", pack=pack, name=name, enabled=enabled)
    if trigger:
        found = [entry for entry in found if trigger in _shape(entry)["trigger_types"]]
    with services.database.read() as tx:
        states = sensors.find(tx)
    silent = services.settings.sensors.lease_seconds

    def shape(item: SensorType, mask: Mask, identifier: str) -> dict[str, Any]:
        return {**sensor_shape(item, mask, identifier), "state": state_of(states.get(item.ref), silent)}

    return page_of_content(found, page, fields, shape)


@router.get("/sensortypes/{ref}")
def get_sensor(services: Services, registry: Registry, fields: Wanted, ref: str) -> Response:
    """One sensor by ref or id."""
    entry = registry.get("sensor", ref)
    with services.database.read() as tx:
        told = sensors.find(tx).get(entry.item.ref)
    state = state_of(told, services.settings.sensors.lease_seconds)
    return Json(fields.choose({**_shape(entry), "state": state}))


@router.put("/sensortypes/{ref}")
def change_sensor(
    services: Services, registry: Registry, caller: Caller, ref: str, body: Annotated[dict[str, Any], Body()]
) -> Response:
    """Enable or disable a sensor; nothing else of it can be changed here (as in StackStorm)."""
    if not isinstance(body.get("enabled"), bool):
        raise InvalidInput("The body must say 'enabled': true or false.", where="enabled")
    entry = changes.set_enabled(services, registry, "sensor", ref, body["enabled"], caller.user)
    return Json(_shape(entry))


def state_of(told: tuple[SensorState, str, datetime] | None, silent: float) -> dict[str, Any]:
    """How a sensor is, for people; ``silent``: seconds after which its container counts as gone."""
    if told is None:
        return {"phase": "not running"}
    state, host, moment = told
    if (now() - moment).total_seconds() > silent:
        return {
            "phase": "lost",
            "host": host,
            "reason": f"its container on {host} has been silent since {iso(moment)}",
        }
    return {**state.model_dump(exclude={"ref"}), "host": host}


def _shape(entry: Registered) -> dict[str, Any]:
    assert isinstance(entry.item, SensorType)
    return sensor_shape(entry.item, Mask(), entry.id)
