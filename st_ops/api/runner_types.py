"""Runner types: the ways in which an action can be run."""

from __future__ import annotations

from fastapi import APIRouter, Response

from st_ops.api.answers import Json
from st_ops.api.content_shapes import runner_shape
from st_ops.api.fields import Wanted
from st_ops.api.masking import Mask
from st_ops.api.paging import Paged
from st_ops.model.runner_types import RUNNER_TYPES, resolve

router = APIRouter(tags=["runner types"])


@router.get("/runnertypes")
def list_runner_types(page: Paged, fields: Wanted, name: str | None = None) -> Response:
    """Runner types by name."""
    found = [entry for entry in RUNNER_TYPES.values() if name is None or entry.name == name]
    items = [fields.choose(runner_shape(entry, Mask())) for entry in page.of(found)]
    return page.answer(items, len(found))


@router.get("/runnertypes/{name}")
def get_runner_type(fields: Wanted, name: str) -> Response:
    """One runner type by name or alias."""
    return Json(fields.choose(runner_shape(resolve(name), Mask())))
