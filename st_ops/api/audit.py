"""The audit log: who did what to which thing, when and why."""

from __future__ import annotations

from fastapi import APIRouter, Response

from st_ops.api.fields import Wanted
from st_ops.api.paging import Paged
from st_ops.api.services import Services
from st_ops.store import audit, executions

router = APIRouter(tags=["audit"])


@router.get("/audit")
def list_audit(
    services: Services,
    page: Paged,
    fields: Wanted,
    trace_id: str | None = None,
    execution: str | None = None,
    subject_id: str | None = None,
    kind: str | None = None,
    verb: str | None = None,
    actor: str | None = None,
) -> Response:
    """Entries, newest first unless ``sort_asc``. ``execution`` shows everything of the trace that one belongs to."""
    with services.database.read() as tx:
        if execution:
            found = executions.get(tx, execution, result=False)
            trace_id = found.trace_id if found else execution
        entries = audit.find(
            tx, trace_id=trace_id, subject_id=subject_id, kind=kind, verb=verb, actor=actor, limit=page.limit + 1,
            offset=page.offset, newest_first=page.newest_first is not False,
        )  # fmt: skip
    # Counting millions of entries would cost more than it tells: the total says whether there are more.
    total = page.offset + len(entries)
    return page.answer([fields.choose(entry.model_dump()) for entry in entries[: page.limit]], total)
