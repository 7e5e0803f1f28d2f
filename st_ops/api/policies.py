"""Policies: rules about running one action, and the kinds of policy there are (StackStorm 1.11)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from st_ops.api import changes
from st_ops.api.answers import Json
from st_ops.api.auth import Caller
from st_ops.api.content_shapes import policy_shape
from st_ops.api.fields import Wanted
from st_ops.api.masking import Mask
from st_ops.api.paging import Paged
from st_ops.api.registered import Registry, page_of_content
from st_ops.api.services import Services
from st_ops.errors import NotFound
from st_ops.model.resources import Policy
from st_ops.packs.kinds.policies import build_policies
from st_ops.store.registry import Registered

router = APIRouter(tags=["policies"])

Content = Annotated[dict[str, Any], Body(description="The policy, as in a pack's file.")]


def _parameter(kind: str, description: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "description": description, **more}


_THRESHOLD = {
    "threshold": _parameter("integer", "Most runs of the action at the same time.", required=True),
    "action": _parameter("string", "What happens to one more.", enum=["delay", "cancel"], default="delay"),
}

#: name → parameters.
POLICY_TYPES: dict[str, dict[str, Any]] = {
    "concurrency": _THRESHOLD,
    "concurrency.attr": {
        **_THRESHOLD,
        "attributes": _parameter(
            "array", "Only runs with equal values of these parameters count.", required=True
        ),
    },
    "retry": {
        "retry_on": _parameter("string", "When to run again.", enum=["failure", "timeout"], required=True),
        "max_retry_count": _parameter(
            "integer", "Most further runs.", minimum=1, maximum=5, default=2, required=True
        ),
        "delay": _parameter("number", "Seconds before the next run.", minimum=0, maximum=120, default=0),
    },
    "timeout": {"seconds": _parameter("number", "Seconds a run may take.", minimum=0, required=True)},
}


@router.get("/policytypes")
def list_policy_types(page: Paged, fields: Wanted, resource_type: str | None = None) -> Response:
    """Policy types by name."""
    found = [_type_shape(name) for name in POLICY_TYPES] if resource_type in (None, "action") else []
    return page.answer([fields.choose(entry) for entry in page.of(found)], len(found))


@router.get("/policytypes/{ref}")
def get_policy_type(fields: Wanted, ref: str) -> Response:
    """One policy type by ref, such as ``action.retry``."""
    name = ref.removeprefix("action.")
    if name not in POLICY_TYPES:
        raise NotFound(
            "policy type", ref, f"Known are {', '.join('action.' + known for known in POLICY_TYPES)}."
        )
    return Json(fields.choose(_type_shape(name)))


def _type_shape(name: str) -> dict[str, Any]:
    return {
        "id": f"action.{name}",
        "uid": f"policy_type:action:{name}",
        "ref": f"action.{name}",
        "name": name,
        "resource_type": "action",
        "enabled": True,
        "parameters": POLICY_TYPES[name],
    }


@router.get("/policies")
def list_policies(
    registry: Registry,
    page: Paged,
    fields: Wanted,
    pack: str | None = None,
    name: str | None = None,
    resource_ref: str | None = None,
    policy_type: str | None = None,
) -> Response:
    """Policies by ref."""
    found = registry.matching(
        "policy", pack=pack, name=name, resource_ref=resource_ref, policy_type=policy_type
    )
    return page_of_content(found, page, fields, policy_shape)


@router.post("/policies", status_code=201)
def create_policy(services: Services, registry: Registry, caller: Caller, body: Content) -> Response:
    """Register a policy that no pack's file describes."""
    item = changes.build(build_policies, body)
    return Json(_shape(changes.create(services, registry, "policy", item, caller.user)), status_code=201)


@router.get("/policies/{ref}")
def get_policy(registry: Registry, fields: Wanted, ref: str) -> Response:
    """One policy by ref or id."""
    return Json(fields.choose(_shape(registry.get("policy", ref))))


@router.put("/policies/{ref}")
def change_policy(
    services: Services, registry: Registry, caller: Caller, ref: str, body: Content
) -> Response:
    """Enable or disable a policy; replace one that was made through the API."""
    return Json(_shape(changes.replace(services, registry, build_policies, "policy", ref, body, caller.user)))


@router.delete("/policies/{ref}", status_code=204)
def delete_policy(services: Services, registry: Registry, caller: Caller, ref: str) -> Response:
    """Remove a policy that was made through the API."""
    changes.remove(services, registry, "policy", ref, caller.user)
    return Response(status_code=204)


def _shape(entry: Registered) -> dict[str, Any]:
    assert isinstance(entry.item, Policy)
    return policy_shape(entry.item, Mask(), entry.id)
