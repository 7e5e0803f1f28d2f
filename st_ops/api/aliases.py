"""Action aliases: phrases for actions (StackStorm 1.12)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from st_ops.api.answers import Json
from st_ops.api.content_shapes import alias_shape
from st_ops.api.fields import Wanted
from st_ops.api.masking import Mask
from st_ops.api.paging import Paged
from st_ops.api.registered import Registry, page_of_content
from st_ops.model.resources import Alias
from st_ops.store.registry import Registered

router = APIRouter(tags=["action aliases"])


@router.get("/actionalias")
def list_aliases(
    registry: Registry,
    page: Paged,
    fields: Wanted,
    pack: str | None = None,
    name: str | None = None,
    action_ref: str | None = None,
) -> Response:
    """Aliases by ref."""
    found = registry.matching("alias", pack=pack, name=name, action_ref=action_ref)
    return page_of_content(found, page, fields, alias_shape)


@router.get("/actionalias/{ref}")
def get_alias(registry: Registry, fields: Wanted, ref: str) -> Response:
    """One alias by ref or id."""
    return Json(fields.choose(_shape(registry.get("alias", ref))))


def _shape(entry: Registered) -> dict[str, Any]:
    assert isinstance(entry.item, Alias)
    return alias_shape(entry.item, Mask(), entry.id)
