"""Inquiries: the questions that executions ask of people, and people's answers (StackStorm's shapes)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import Field

from st_ops.api.answers import Json
from st_ops.api.auth import Caller
from st_ops.api.execution_answers import mask_for
from st_ops.api.fields import Wanted
from st_ops.api.masking import Mask, ShowSecrets, refuse_sealed
from st_ops.api.paging import Paged
from st_ops.api.services import Services
from st_ops.errors import NotFound
from st_ops.model.base import Model
from st_ops.model.executions import Execution
from st_ops.model.status import Status
from st_ops.store import executions, history

router = APIRouter(tags=["inquiries"])

#: The runner whose executions are inquiries.
_RUNNER = "inquirer"


class Answer(Model):
    """The answer to an inquiry."""

    id: str | None = Field(None, description="The inquiry's id again; the path counts.")
    response: Any = Field(description="An object as the inquiry's schema wants it.")


@router.get("/inquiries")
def list_inquiries(services: Services, page: Paged, fields: Wanted) -> Response:
    """The open inquiries, newest first unless ``sort_asc``."""
    wanted = history.ExecutionFilter(status=(Status.PENDING.value,), runner=_RUNNER)
    with services.database.read() as tx:
        found = history.find(
            tx, wanted, limit=page.limit, offset=page.offset, newest_first=page.newest_first is not False,
            result=True,
        )  # fmt: skip
        total = history.count(tx, wanted)
    return page.answer([fields.choose(_shape(entry, Mask())) for entry in found], total)


@router.get("/inquiries/{inquiry_id}")
def get_inquiry(services: Services, fields: Wanted, show_secrets: ShowSecrets, inquiry_id: str) -> Response:
    """One inquiry, open or over; with its ``response`` when it was answered."""
    with services.database.read() as tx:
        found = executions.get(tx, inquiry_id)
    if found is None or found.runner != _RUNNER:
        raise NotFound("inquiry", inquiry_id, "'st-ops inquiry list' shows the open ones.")
    return Json(fields.choose(_shape(found, mask_for(services, show_secrets))))


@router.put("/inquiries/{inquiry_id}")
def respond(services: Services, caller: Caller, inquiry_id: str, body: Answer) -> Response:
    """Answer an inquiry: once, by whom it is for, as its schema wants it. Its workflow then goes on."""
    refuse_sealed(body.response, "response")
    services.inquiries.respond(inquiry_id, body.response, caller.user, admin=caller.admin)
    with services.database.read() as tx:
        answered = executions.get(tx, inquiry_id)
    # As it is shown from now on: its secrets masked.
    response = None if answered is None else _shape(answered, Mask()).get("response")
    return Json({"id": inquiry_id, "response": response})


def _shape(entry: Execution, mask: Mask) -> dict[str, Any]:
    """StackStorm's six attributes, and ours."""
    said = entry.result if isinstance(entry.result, dict) else {}
    shape = {name: said.get(name) for name in ("route", "ttl", "users", "roles", "schema")}
    ours = {
        "status": entry.status.value, "action_ref": entry.action, "parent": entry.parent_id, "root": entry.root_id,
        "asked_at": entry.start_timestamp or entry.created_at, "end_timestamp": entry.end_timestamp,
        "response": mask.value(said.get("response")), "reason": entry.reason,
    }  # fmt: skip
    return {
        "id": entry.id,
        **shape,
        **{name: value for name, value in ours.items() if value not in (None, "")},
    }
