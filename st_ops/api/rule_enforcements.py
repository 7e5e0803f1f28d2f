"""Rule enforcements: which rule matched which event, and what came of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from st_ops.api.answers import Json
from st_ops.api.fields import Fields, Wanted
from st_ops.api.masking import Mask
from st_ops.api.paging import Page, Paged
from st_ops.api.registered import RegisteredCache, Registry
from st_ops.api.services import ApiServices, Services
from st_ops.api.shapes import ExecutionShapes, instance_shape
from st_ops.api.times import moment
from st_ops.errors import InvalidInput, NotFound
from st_ops.model.events import EnforcementStatus, RuleEnforcement
from st_ops.store import events, executions
from st_ops.store.database import Tx

router = APIRouter(tags=["rule enforcements"])

#: What an enforcement's view tells of the execution.
_EXECUTION_FIELDS = Fields(
    include=("id", "status", "action.ref", "parameters", "start_timestamp", "end_timestamp")
)


@router.get("/ruleenforcements")
def list_enforcements(
    services: Services,
    registry: Registry,
    page: Paged,
    fields: Wanted,
    rule_ref: str | None = None,
    rule_id: str | None = None,
    trigger_instance: str | None = None,
    execution: str | None = None,
    status: str | None = None,
    enforced_at_gt: str | None = None,
    enforced_at_lt: str | None = None,
) -> Response:
    """Newest first."""
    wanted = {
        "rule_ref": rule_ref or (registry.get("rule", rule_id).item.ref if rule_id else None),
        "trigger_instance_id": trigger_instance, "execution_id": execution, "status": _status(status),
        "after": moment("enforced_at_gt", enforced_at_gt), "before": moment("enforced_at_lt", enforced_at_lt),
    }  # fmt: skip
    found, total = _find(services, page, wanted)
    return page.answer([fields.choose(_shape(entry, registry)) for entry in found], total)


@router.get("/ruleenforcements/views")
def list_views(
    services: Services,
    registry: Registry,
    page: Paged,
    fields: Wanted,
    rule_ref: str | None = None,
    trigger_instance: str | None = None,
    execution: str | None = None,
) -> Response:
    """Newest first, each with its event and its execution."""
    wanted = {"rule_ref": rule_ref, "trigger_instance_id": trigger_instance, "execution_id": execution}
    found, total = _find(services, page, wanted)
    with services.database.read() as tx:
        items = [fields.choose(_view(services, tx, entry, registry)) for entry in found]
    return page.answer(items, total)


@router.get("/ruleenforcements/views/{enforcement_id}")
def get_view(services: Services, registry: Registry, fields: Wanted, enforcement_id: str) -> Response:
    """One enforcement with its event and its execution."""
    entry = _get(services, enforcement_id)
    with services.database.read() as tx:
        return Json(fields.choose(_view(services, tx, entry, registry)))


@router.get("/ruleenforcements/{enforcement_id}")
def get_enforcement(services: Services, registry: Registry, fields: Wanted, enforcement_id: str) -> Response:
    """One enforcement."""
    return Json(fields.choose(_shape(_get(services, enforcement_id), registry)))


def _status(text: str | None) -> EnforcementStatus | None:
    try:
        return None if text is None else EnforcementStatus(text)
    except ValueError:
        raise InvalidInput(f"'status' is '{text}'; it is succeeded or failed.", where="status") from None


def _find(services: ApiServices, page: Page, wanted: dict[str, Any]) -> tuple[list[RuleEnforcement], int]:
    with services.database.read() as tx:
        return events.find_enforcements(tx, **wanted, limit=page.limit, offset=page.offset)


def _get(services: ApiServices, identifier: str) -> RuleEnforcement:
    found, _ = _find(services, Page(limit=1), {"identifier": identifier})
    if not found:
        raise NotFound("rule enforcement", identifier)
    return found[0]


def _shape(entry: RuleEnforcement, registry: RegisteredCache) -> dict[str, Any]:
    pack, _, name = entry.rule_ref.partition(".")
    rule = registry.of_kind("rule").get(entry.rule_ref)
    shape = {
        "id": entry.id,
        "rule": {
            "ref": entry.rule_ref,
            "id": rule.id if rule else entry.rule_ref,
            "uid": f"rule:{pack}:{name}",
        },
        "trigger_instance_id": entry.trigger_instance_id,
        "execution_id": entry.execution_id,
        "failure_reason": entry.failure_reason,
        "enforced_at": entry.enforced_at,
        "status": entry.status.value,
    }
    return {key: value for key, value in shape.items() if value not in (None, "")}


def _view(services: ApiServices, tx: Tx, entry: RuleEnforcement, registry: RegisteredCache) -> dict[str, Any]:
    shape = _shape(entry, registry)
    instance = events.get(tx, entry.trigger_instance_id)
    if instance is not None:
        shape["trigger_instance"] = instance_shape(instance)
    execution = executions.get(tx, entry.execution_id, result=False) if entry.execution_id else None
    if execution is not None:
        shapes = ExecutionShapes(tx, services.catalog.current(tx), _EXECUTION_FIELDS, Mask())
        shape["execution"] = shapes.one(execution)
    return shape
