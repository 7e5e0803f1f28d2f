"""Executions: asked for, listed, looked at, canceled, paused, resumed."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query, Response
from pydantic import Field

from st_ops.api.answers import Json
from st_ops.api.auth import Caller
from st_ops.api.execution_answers import find_one, mask_for, shaped
from st_ops.api.fields import Fields, Wanted
from st_ops.api.masking import ShowSecrets, refuse_sealed
from st_ops.api.paging import Paged
from st_ops.api.services import ApiServices, Services
from st_ops.api.shapes import ExecutionShapes
from st_ops.api.times import moment
from st_ops.errors import Forbidden, IllegalMove, InvalidInput
from st_ops.executions.requests import Request
from st_ops.model.base import Model, Object
from st_ops.model.executions import Execution
from st_ops.model.status import Status
from st_ops.security.tokens import Identity
from st_ops.store import history

router = APIRouter(tags=["executions"])


class NewExecution(Model):
    """The wish to run an action (StackStorm's LiveAction, plus ``run_key``)."""

    action: str = Field(description="Ref of the action, pack.name.")
    parameters: Object = Field(default_factory=dict, description="Parameters of the action.")
    user: str | None = Field(
        None, description="Whom it runs for; another than yourself only for administrators."
    )
    context: Object = Field(default_factory=dict, description="Facts that go with the execution.")
    delay: int | None = Field(None, ge=0, description="Milliseconds to hold it before it may start.")
    notify: Object | None = Field(None, description="Whom to notify, as in an action's metadata.")
    run_key: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        description="Asking again with the same key answers the run that exists.",
    )
    retry: bool = Field(
        False, description="With run_key: when the run that exists ended without success, run it anew."
    )
    timeout: float | None = Field(
        None, gt=0, description="Seconds it may take; counts before the action's own."
    )
    priority: int | None = Field(None, description="Higher ones start first; the action's own when left out.")
    keep_workdir: bool = Field(
        False, description="Leave the runs' temporary folders; their output says where they are."
    )
    # StackStorm's clients send these; they decide nothing here.
    id: str | None = None
    status: str | None = None
    name: str | None = None


class NewExecutions(Model):
    """Several wishes that are granted together or not at all."""

    executions: list[NewExecution] = Field(min_length=1, max_length=10_000)


class StatusChange(Model):
    """The wish to change where an execution stands."""

    status: str = Field(description="pausing, resuming or canceling (or the status they lead to).")
    result: Any = None


@router.get("/executions")
def list_executions(
    services: Services,
    page: Paged,
    fields: Wanted,
    show_secrets: ShowSecrets,
    action: str | None = None,
    status: str | None = None,
    user: str | None = None,
    parent: str | None = None,
    runner: str | None = None,
    rule: str | None = None,
    trigger_instance: str | None = None,
    trace_id: str | None = None,
    run_key: str | None = None,
    timestamp_gt: str | None = None,
    timestamp_lt: str | None = None,
) -> Response:
    """Executions, newest first unless ``sort_asc``. ``status`` takes several, separated by commas."""
    wanted = history.ExecutionFilter(
        action=action, status=_statuses(status), user=user, parent=None if parent in (None, "null", "") else parent,
        roots_only=parent in ("null", ""), runner=runner, rule=rule, trigger_instance=trigger_instance,
        trace_id=trace_id, run_key=run_key, after=moment("timestamp_gt", timestamp_gt),
        before=moment("timestamp_lt", timestamp_lt),
    )  # fmt: skip
    with services.database.read() as tx:
        found = history.find(
            tx, wanted, limit=page.limit, offset=page.offset, newest_first=page.newest_first is not False,
            result=fields.wants("result"),
        )  # fmt: skip
        shapes = ExecutionShapes(tx, services.catalog.current(tx), fields, mask_for(services, show_secrets))
        total = history.count(tx, wanted, found=len(found), limit=page.limit, offset=page.offset)
        return page.answer(shapes.many(found), total)


_STATUSES = frozenset(status.value for status in Status)


def _statuses(text: str | None) -> list[str]:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in _STATUSES:
            raise InvalidInput(f"'{name}' is no status; they are {', '.join(Status)}.", where="status")
    return names


@router.post("/executions", status_code=201)
def request_execution(
    services: Services,
    caller: Caller,
    show_secrets: ShowSecrets,
    body: NewExecution,
    idempotency_key: Annotated[str | None, Header()] = None,
    st2_context: Annotated[str | None, Header()] = None,
    st2_trace_tag: Annotated[str | None, Header()] = None,
) -> Response:
    """Run an action: 201, or 200 with the run that exists already for this key (or ``Idempotency-Key``)."""
    context = _context(st2_context)
    if st2_trace_tag:
        context["trace_context"] = {"trace_tag": st2_trace_tag}
    return requested(services, wish_of(body, caller, context, idempotency_key), show_secrets)


@router.post("/executions/batch", status_code=201)
def request_executions(services: Services, caller: Caller, body: NewExecutions) -> Response:
    """Run many actions, stored together or not at all: 201 with ``[{id, status, action, new}]`` in their order."""
    wishes = [wish_of(one, caller, {}) for one in body.executions]
    answers = services.requests.request_many(wishes)
    return Json(
        [
            {"id": entry.id, "status": entry.status.value, "action": entry.action, "new": new}
            for entry, new in answers
        ],
        status_code=201,
    )


def wish_of(body: NewExecution, caller: Identity, context: Object, key: str | None = None) -> Request:
    """The request that a caller's body means. Raises Forbidden, InvalidInput."""
    refuse_sealed(body.parameters, "")
    return Request(
        action=body.action, parameters=body.parameters, user=user_for(caller, body.user),
        context={**body.context, **context}, delay=body.delay or 0, notify=body.notify or {},
        run_key=body.run_key or key, retry=body.retry, timeout=body.timeout, priority=body.priority,
        keep_workdir=body.keep_workdir,
    )  # fmt: skip


def requested(services: ApiServices, wish: Request, show_secrets: bool = False) -> Response:
    """The answer to a wish: the execution, 201 when it is new."""
    entry, new = services.requests.request(wish)
    mask = mask_for(services, show_secrets)
    if not new:
        return Json(shaped(services, entry, mask=mask))
    shapes = ExecutionShapes(None, services.catalog.cached(), Fields(), mask)
    return Json(shapes.one(entry), status_code=201)


def user_for(caller: Identity, wanted: str | None) -> str:
    """Whom an execution runs for. Raises Forbidden when that is not for the caller to say."""
    if not wanted or wanted == caller.user:
        return caller.user
    if not caller.admin:
        raise Forbidden(f"Only an administrator may run an action for somebody else ('{wanted}').")
    return wanted


def _context(header: str | None) -> Object:
    if not header:
        return {}
    try:
        value = orjson.loads(header)
    except orjson.JSONDecodeError as exc:
        raise InvalidInput(f"The header St2-Context is not JSON: {exc}.", where="St2-Context") from exc
    if not isinstance(value, dict):
        raise InvalidInput("The header St2-Context must be a JSON object.", where="St2-Context")
    return value


@router.get("/executions/views/filters")
def list_filters(services: Services, types: str | None = None) -> Response:
    """The values that executions can be narrowed by, per attribute; ``types`` chooses attributes."""
    snapshot = services.catalog.current()
    found: dict[str, list[str]] = {
        "action": sorted(snapshot.actions),
        "rule": sorted(snapshot.rules),
        "status": [status.value for status in Status],
        "trigger_type": sorted(snapshot.trigger_types),
    }
    chosen = [name.strip() for name in types.split(",")] if types else list(found)
    return Json({name: found[name] for name in chosen if name in found})


@router.get("/executions/{execution_id}")
def get_execution(
    services: Services,
    fields: Wanted,
    show_secrets: ShowSecrets,
    execution_id: str,
    max_result_size: Annotated[
        int | None, Query(ge=0, description="Leave out a larger result (bytes).")
    ] = None,
) -> Response:
    """One execution by id; ``last`` is the newest."""
    with services.database.read() as tx:
        entry = find_one(tx, execution_id, result=False)
        if fields.wants("result") and (max_result_size is None or entry.result_size <= max_result_size):
            entry = find_one(tx, entry.id)
        shapes = ExecutionShapes(tx, services.catalog.current(tx), fields, mask_for(services, show_secrets))
        return Json(shapes.one(entry))


#: Status a client asks for → what that means.
_ASKED = {
    "pausing": "pause", "paused": "pause", "resuming": "resume", "running": "resume",
    "canceling": "cancel", "canceled": "cancel",
}  # fmt: skip


@router.put("/executions/{execution_id}")
def change_status(services: Services, caller: Caller, execution_id: str, body: StatusChange) -> Response:
    """Pause, resume or cancel. What running actions report goes to the platform by another way."""
    asked = _ASKED.get(body.status)
    if asked is None:
        raise InvalidInput(
            f"'status' is '{body.status}'; ask for pausing, resuming or canceling.", where="status"
        )
    entry = _resolve(services, execution_id)
    return Json(shaped(services, getattr(services.orders, asked)(entry.id, caller.user)))


@router.delete("/executions/{execution_id}")
def cancel_execution(services: Services, caller: Caller, execution_id: str) -> Response:
    """Cancel: 200 with the execution, or with a ``faultstring`` when it is over already (StackStorm's answer)."""
    entry = _resolve(services, execution_id)
    try:
        return Json(shaped(services, services.orders.cancel(entry.id, caller.user)))
    except IllegalMove:
        return Json(
            {"faultstring": f"Execution {entry.id} is {entry.status}; it cannot be canceled any more."}
        )


def _resolve(services: ApiServices, execution_id: str) -> Execution:
    with services.database.read() as tx:
        return find_one(tx, execution_id, result=False)
