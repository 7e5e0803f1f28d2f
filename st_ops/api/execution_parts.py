"""Parts of one execution: its children, one attribute; and running it once more."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from st_ops.api.answers import Json
from st_ops.api.auth import Caller
from st_ops.api.execution_answers import find_one, mask_for, shaped
from st_ops.api.executions import requested, user_for
from st_ops.api.fields import Fields, Wanted
from st_ops.api.masking import ShowSecrets, refuse_sealed
from st_ops.api.services import Services
from st_ops.api.shapes import ExecutionShapes
from st_ops.errors import Forbidden, InvalidInput
from st_ops.executions.requests import Request
from st_ops.model.base import Model, Object
from st_ops.model.executions import HIDDEN
from st_ops.model.status import Status
from st_ops.store import history

router = APIRouter(tags=["executions"])


class ReRun(Model):
    """How to run an execution once more."""

    parameters: Object = Field(default_factory=dict, description="Parameters that differ from the first run.")
    user: str | None = None
    delay: int | None = Field(None, ge=0, description="Milliseconds to hold it before it may start.")
    tasks: list[str] = Field(
        default_factory=list, description="Not supported: the whole execution is run again."
    )
    reset: list[str] = Field(default_factory=list, description="Not supported, see tasks.")


class Resolution(Model):
    """How an execution really ended, and how the caller knows."""

    outcome: Literal["succeeded", "failed"] = Field(alias="as")
    why: str = Field(min_length=1, description="Goes into the audit log.")
    result: Any = None


@router.get("/executions/{execution_id}/children")
def list_children(
    services: Services, fields: Wanted, show_secrets: ShowSecrets, execution_id: str, depth: int = -1
) -> Response:
    """What it started, level by level; ``depth`` levels, -1 = all."""
    with services.database.read() as tx:
        entry = find_one(tx, execution_id, result=False)
        found = history.descendants(tx, entry.id, depth, result=fields.wants("result"))
        shapes = ExecutionShapes(tx, services.catalog.current(tx), fields, mask_for(services, show_secrets))
        return Json(shapes.many(found))


@router.get("/executions/{execution_id}/attribute/{attribute}")
def get_attribute(
    services: Services, show_secrets: ShowSecrets, execution_id: str, attribute: str
) -> Response:
    """One attribute of it, such as ``result`` or ``trigger_instance``; null when it has none."""
    with services.database.read() as tx:
        entry = find_one(tx, execution_id, result=attribute == "result")
        fields = Fields(include=(attribute,))
        shapes = ExecutionShapes(tx, services.catalog.current(tx), fields, mask_for(services, show_secrets))
        return Json(shapes.one(entry).get(attribute))


@router.post("/executions/{execution_id}/resolve")
def resolve(services: Services, caller: Caller, execution_id: str, body: Resolution) -> Response:
    """Say how an execution ended whose outcome is unknown: for whom it runs for, and administrators."""
    with services.database.read() as tx:
        entry = find_one(tx, execution_id, result=False)
    if not caller.admin and caller.user != entry.user:
        raise Forbidden(f"Only '{entry.user}' or an administrator may say how execution {entry.id} ended.")
    if caller.execution_id:
        raise Forbidden("The token of a running action cannot say how an execution ended.")
    done = services.orders.resolve(entry.id, Status(body.outcome), caller.user, body.why, body.result)
    return Json(shaped(services, done))


@router.post("/executions/{execution_id}/re_run", status_code=201)
def re_run(
    services: Services, caller: Caller, execution_id: str, body: ReRun | None = None, no_merge: bool = False
) -> Response:
    """The same action once more; given parameters win unless ``no_merge``."""
    wanted = body or ReRun()
    refuse_sealed(wanted.parameters, "")
    if wanted.tasks or wanted.reset:
        raise InvalidInput(
            "Single tasks of a workflow cannot be run again yet; leave out 'tasks' to run all of it again.",
            where="tasks",
        )
    with services.database.read() as tx:
        first = find_one(tx, execution_id, result=False)
    # The first run's parameters are rendered already (hence literal), and its secrets still sealed.
    parameters: dict[str, Any] = {} if no_merge else dict(first.parameters)
    context: dict[str, Any] = {"re-run": {"ref": first.id}}
    if HIDDEN in first.context and not no_merge:
        context[HIDDEN] = first.context[HIDDEN]
    wish = Request(
        action=first.action, parameters={**parameters, **wanted.parameters}, user=user_for(caller, wanted.user),
        context=context, delay=wanted.delay or 0, notify=first.notify, literal=True,
    )  # fmt: skip
    return requested(services, wish)
