"""Actions: what can be executed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from starlette.responses import PlainTextResponse

from st_ops.api import changes
from st_ops.api.answers import Json
from st_ops.api.auth import Caller
from st_ops.api.content_shapes import action_shape
from st_ops.api.fields import Wanted
from st_ops.api.masking import Mask
from st_ops.api.paging import Paged
from st_ops.api.registered import Registry, page_of_content
from st_ops.api.services import Services
from st_ops.errors import NotFound
from st_ops.model.resources import Action
from st_ops.model.runner_types import resolve
from st_ops.packs.kinds.actions import build_actions
from st_ops.store.registry import Registered

router = APIRouter(tags=["actions"])

Content = Annotated[dict[str, Any], Body(description="The action's metadata, as in a pack's file.")]


@router.get("/actions")
def list_actions(
    registry: Registry,
    page: Paged,
    fields: Wanted,
    name: str | None = None,
    pack: str | None = None,
    runner_type: str | None = None,
    enabled: bool | None = None,
    tags: str | None = None,
) -> Response:
    """Actions by ref. ``tags`` is ``name:value``, or a name."""
    found = registry.matching("action", name=name, pack=pack, runner_type=runner_type, enabled=enabled)
    if tags:
        found = [entry for entry in found if _has_tag(entry.item.tags, tags)]
    return page_of_content(found, page, fields, action_shape)


def _has_tag(tags: list[dict[str, Any]], wanted: str) -> bool:
    name, _, value = wanted.partition(":")
    return any(tag.get("name") == name and (not value or str(tag.get("value")) == value) for tag in tags)


@router.post("/actions", status_code=201)
def create_action(services: Services, registry: Registry, caller: Caller, body: Content) -> Response:
    """Register an action that no pack's file describes."""
    item = changes.build(build_actions, body)
    made = changes.create(services, registry, "action", item, caller.user)
    return Json(_shape(made), status_code=201)


@router.get("/actions/views/overview")
def list_overviews(
    registry: Registry, page: Paged, fields: Wanted, pack: str | None = None, name: str | None = None
) -> Response:
    """Actions with the parameters of their runner merged in."""
    entries = registry.matching("action", pack=pack, name=name)
    items = [fields.choose(_overview(entry)) for entry in page.of(entries)]
    return page.answer(items, len(entries))


@router.get("/actions/views/overview/{ref}")
def get_overview(registry: Registry, fields: Wanted, ref: str) -> Response:
    """One action with the parameters of its runner merged in."""
    return Json(fields.choose(_overview(registry.get("action", ref))))


@router.get("/actions/views/parameters/{ref}")
def get_parameters(registry: Registry, ref: str) -> Response:
    """The schema of everything a caller may give: the runner's parameters and the action's own."""
    return Json({"parameters": _parameters(_action(registry.get("action", ref)))})


@router.get("/actions/views/entry_point/{ref}")
def get_entry_point(services: Services, registry: Registry, ref: str) -> Response:
    """The text of the action's entry point."""
    action = _action(registry.get("action", ref))
    pack = services.catalog.current().packs.get(action.pack)
    name = action.entry_point.partition(":")[0]
    if pack is None or not pack.path or not name:
        raise NotFound("entry point of action", action.ref)
    folder = Path(pack.path).resolve() / "actions"
    path = (folder / name).resolve()
    # Metadata may name any path; only files of the pack are shown.
    if not path.is_relative_to(Path(pack.path).resolve()) or not path.is_file():
        raise NotFound("entry point of action", action.ref, f"Its metadata names '{action.entry_point}'.")
    return PlainTextResponse(path.read_text(errors="replace"))


@router.get("/actions/{ref}")
def get_action(registry: Registry, fields: Wanted, ref: str) -> Response:
    """One action by ref or id."""
    return Json(fields.choose(_shape(registry.get("action", ref))))


@router.put("/actions/{ref}")
def change_action(
    services: Services, registry: Registry, caller: Caller, ref: str, body: Content
) -> Response:
    """Enable or disable an action; replace one that was made through the API."""
    return Json(_shape(changes.replace(services, registry, build_actions, "action", ref, body, caller.user)))


@router.delete("/actions/{ref}", status_code=204)
def delete_action(services: Services, registry: Registry, caller: Caller, ref: str) -> Response:
    """Remove an action that was made through the API."""
    changes.remove(services, registry, "action", ref, caller.user)
    return Response(status_code=204)


def _shape(entry: Registered) -> dict[str, Any]:
    return action_shape(_action(entry), Mask(), entry.id)


def _overview(entry: Registered) -> dict[str, Any]:
    return {**_shape(entry), "parameters": _parameters(_action(entry))}


def _parameters(action: Action) -> dict[str, Any]:
    """The action's own come over the runner's, key by key."""
    merged = dict(resolve(action.runner_type).parameters)
    for name, schema in action.parameters.items():
        merged[name] = {**merged.get(name, {}), **schema}
    return Mask().defaults(merged)


def _action(entry: Registered) -> Action:
    assert isinstance(entry.item, Action)
    return entry.item
