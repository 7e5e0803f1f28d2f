"""Rules: which events start which actions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from st_ops.api import changes
from st_ops.api.answers import Json
from st_ops.api.auth import Caller
from st_ops.api.content_shapes import rule_shape
from st_ops.api.fields import Wanted
from st_ops.api.masking import Mask
from st_ops.api.paging import Paged
from st_ops.api.registered import Registry, page_of_content
from st_ops.api.services import ApiServices, Services
from st_ops.errors import InvalidInput, NotFound
from st_ops.model.base import Model, Object
from st_ops.model.events import TriggerInstance, trigger_ref_for
from st_ops.model.resources import Resource, Rule
from st_ops.packs.catalog import Snapshot
from st_ops.packs.kinds.rules import build_rules
from st_ops.store import events
from st_ops.store.registry import Registered

router = APIRouter(tags=["rules"])

Content = Annotated[dict[str, Any], Body(description="The rule, as in a pack's file.")]


class RuleTest(Model):
    """Which rule (a ref, or a rule as in a file) to hold against which event.

    The event is the id of a trigger instance, or ``{trigger, payload}``.
    """

    rule: str | Object
    trigger_instance: str | Object


@router.get("/rules")
def list_rules(
    registry: Registry,
    page: Paged,
    fields: Wanted,
    pack: str | None = None,
    name: str | None = None,
    action: str | None = None,
    trigger: str | None = None,
    enabled: bool | None = None,
) -> Response:
    """Rules by ref; ``action`` and ``trigger`` are the refs a rule names."""
    return page_of_content(_find(registry, pack, name, action, trigger, enabled), page, fields, rule_shape)


def _find(
    registry: Registry,
    pack: str | None,
    name: str | None,
    action: str | None,
    trigger: str | None,
    enabled: bool | None,
) -> list[Registered]:
    found = registry.matching("rule", pack=pack, name=name, enabled=enabled)
    return [
        entry
        for entry in found
        if (action is None or _rule(entry.item).action.ref == action)
        and (trigger is None or _rule(entry.item).trigger.type == trigger)
    ]


@router.post("/rules", status_code=201)
def create_rule(services: Services, registry: Registry, caller: Caller, body: Content) -> Response:
    """Register a rule that no pack's file describes."""
    item = _built(services, body)
    made = changes.create(services, registry, "rule", item, caller.user)
    return Json(rule_shape(_rule(made.item), Mask(), made.id), status_code=201)


@router.post("/rules/test")
def test_rule(services: Services, registry: Registry, body: RuleTest) -> Response:
    """What a rule would make of an event, criterion by criterion; nothing is executed."""
    given = body.rule
    rule = _rule(registry.get("rule", given).item) if isinstance(given, str) else _built(services, given)
    instance = _instance(services, rule, body.trigger_instance)
    return Json(dict(services.test_rule(rule, instance)))


@router.get("/rules/views")
def list_rule_views(
    registry: Registry,
    page: Paged,
    fields: Wanted,
    services: Services,
    pack: str | None = None,
    action: str | None = None,
    trigger: str | None = None,
    enabled: bool | None = None,
) -> Response:
    """Rules with the descriptions of their action and trigger."""
    entries = _find(registry, pack, None, action, trigger, enabled)
    snapshot = services.catalog.current()
    items = [fields.choose(_view(snapshot, entry)) for entry in page.of(entries)]
    return page.answer(items, len(entries))


@router.get("/rules/views/{ref}")
def get_rule_view(services: Services, registry: Registry, fields: Wanted, ref: str) -> Response:
    """One rule with the descriptions of its action and trigger."""
    return Json(fields.choose(_view(services.catalog.current(), registry.get("rule", ref))))


@router.get("/rules/{ref}")
def get_rule(registry: Registry, fields: Wanted, ref: str) -> Response:
    """One rule by ref or id."""
    return Json(fields.choose(_shape(registry.get("rule", ref))))


@router.put("/rules/{ref}")
def change_rule(services: Services, registry: Registry, caller: Caller, ref: str, body: Content) -> Response:
    """Enable or disable a rule; replace one that was made through the API."""
    return Json(_shape(changes.replace(services, registry, build_rules, "rule", ref, body, caller.user)))


@router.delete("/rules/{ref}", status_code=204)
def delete_rule(services: Services, registry: Registry, caller: Caller, ref: str) -> Response:
    """Remove a rule that was made through the API."""
    changes.remove(services, registry, "rule", ref, caller.user)
    return Response(status_code=204)


def _built(services: ApiServices, body: dict[str, Any]) -> Rule:
    """The rule in a body, whose trigger and action must exist."""
    rule = _rule(changes.build(build_rules, body))
    snapshot = services.catalog.current()
    if rule.trigger.type not in snapshot.trigger_types:
        raise InvalidInput(
            f"There is no trigger type '{rule.trigger.type}'; 'st-ops trigger list' shows what there is.",
            where="trigger.type",
        )
    if rule.action.ref not in snapshot.actions:
        raise InvalidInput(
            f"There is no action '{rule.action.ref}'; 'st-ops action list' shows what there is.",
            where="action.ref",
        )
    return rule


def _instance(services: ApiServices, rule: Rule, given: str | Object) -> TriggerInstance:
    if isinstance(given, str):
        with services.database.read() as tx:
            found = events.get(tx, given)
        if found is None:
            raise NotFound("trigger instance", given, "'st-ops trigger-instance list' shows the newest.")
        return found
    unknown = set(given) - {"trigger", "payload"}
    payload = given.get("payload", {})
    if unknown or not isinstance(payload, dict):
        raise InvalidInput(
            "An event to test with is an object of 'trigger' (a ref) and 'payload' (an object).",
            where="trigger_instance",
        )
    return TriggerInstance(trigger=_trigger(rule, given.get("trigger")), payload=payload)


def _trigger(rule: Rule, given: Any) -> str:
    """A trigger type stands for the trigger the rule made of it; people know the type's name only."""
    own = trigger_ref_for(rule.trigger.type, rule.trigger.parameters)
    return own if given in (None, rule.trigger.type) else str(given)


def _view(snapshot: Snapshot, entry: Registered) -> dict[str, Any]:
    shape, rule = _shape(entry), _rule(entry.item)
    action = snapshot.actions.get(rule.action.ref)
    trigger_type = snapshot.trigger_types.get(rule.trigger.type)
    shape["action"] = {**shape["action"], "description": action.description if action else ""}
    shape["trigger"] = {**shape["trigger"], "description": trigger_type.description if trigger_type else ""}
    return shape


def _shape(entry: Registered) -> dict[str, Any]:
    return rule_shape(_rule(entry.item), Mask(), entry.id)


def _rule(item: Resource) -> Rule:
    assert isinstance(item, Rule)
    return item
