"""Workers: the processes that claim work, and what they hold."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from st_ops.api.answers import Json
from st_ops.api.auth import Caller
from st_ops.api.fields import Wanted
from st_ops.api.paging import Paged
from st_ops.api.services import Services
from st_ops.errors import Forbidden, NotFound
from st_ops.model.records import AuditEntry, Worker
from st_ops.store import audit, workers
from st_ops.store.database import Tx

router = APIRouter(tags=["workers"])


@router.get("/workers")
def list_workers(services: Services, page: Paged, fields: Wanted, kind: str | None = None) -> Response:
    """Registered workers, oldest first, with how many executions each holds."""
    with services.database.read() as tx:
        found = workers.find(tx, kind)
        counts = workers.count_held(tx)
    items = [fields.choose(_shape(entry, counts)) for entry in page.of(found)]
    return page.answer(items, len(found))


@router.get("/workers/{worker_id}")
def get_worker(services: Services, worker_id: str) -> Response:
    """One worker, with what it runs."""
    with services.database.read() as tx:
        entry = _get(tx, worker_id)
        held = workers.held(tx, worker_id)
    running = [
        {
            "id": one.id,
            "action_ref": one.action,
            "status": one.status.value,
            "start_timestamp": one.start_timestamp,
        }
        for one in held
    ]
    return Json({**entry.model_dump(), "executions": running})


@router.post("/workers/{worker_id}/drain")
def drain_worker(services: Services, caller: Caller, worker_id: str) -> Response:
    """Ask a worker to take no more work and to end what it has."""
    if not caller.admin:
        raise Forbidden("Only an administrator may drain a worker.")
    with services.database.write() as tx:
        _get(tx, worker_id)
        workers.set_draining(tx, worker_id)
        entry = AuditEntry(actor=caller.user, verb="draining", kind="worker", subject_id=worker_id)
        audit.record(tx, [entry])
        return Json(_get(tx, worker_id).model_dump())


def _get(tx: Tx, worker_id: str) -> Worker:
    found = workers.get(tx, worker_id)
    if found is None:
        raise NotFound("worker", worker_id, "'st-ops worker list' shows the living ones.")
    return found


def _shape(entry: Worker, counts: dict[str, int]) -> dict[str, Any]:
    return {**entry.model_dump(), "running": counts.get(entry.id, 0)}
