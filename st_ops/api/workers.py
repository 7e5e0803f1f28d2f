"""Workers: the processes that claim work, and what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response

from st_ops.api.answers import Json
from st_ops.api.auth import Caller
from st_ops.api.fields import Wanted
from st_ops.api.paging import Paged
from st_ops.api.services import ApiServices, Services
from st_ops.errors import Conflict, Forbidden, NotFound
from st_ops.model.executions import Execution
from st_ops.model.records import AuditEntry, Worker
from st_ops.security.tokens import Identity
from st_ops.store import audit, workers
from st_ops.store.database import Tx

router = APIRouter(tags=["workers"])


@router.get("/workers")
def list_workers(services: Services, page: Paged, fields: Wanted, kind: str | None = None) -> Response:
    """Registered workers, oldest first, with what each runs."""
    with services.database.read() as tx:
        found = workers.find(tx, kind)
        items = [fields.choose(_shape(entry, workers.held(tx, entry.id))) for entry in page.of(found)]
    return page.answer(items, len(found))


@router.get("/workers/{worker_id}")
def get_worker(services: Services, worker_id: str) -> Response:
    """One worker, with what it runs."""
    with services.database.read() as tx:
        return Json(_shape(_get(tx, worker_id), workers.held(tx, worker_id)))


@router.post("/workers/{worker_id}/drain")
def drain_worker(services: Services, caller: Caller, worker_id: str) -> Response:
    """Ask a worker to take no more work and to end what it has."""
    return _set_draining(services, caller, worker_id, True)


@router.post("/workers/{worker_id}/resume")
def resume_worker(services: Services, caller: Caller, worker_id: str) -> Response:
    """Ask a worker that drains to take work again."""
    return _set_draining(services, caller, worker_id, False)


def _set_draining(services: ApiServices, caller: Identity, worker_id: str, draining: bool) -> Response:
    if not caller.admin:
        raise Forbidden("Only an administrator may drain a worker, or let it take work again.")
    with services.database.write() as tx:
        kind = _get(tx, worker_id).kind
        if kind != "runner":
            raise Conflict(f"Only workers that run actions can be drained; {worker_id} is of kind '{kind}'.")
        workers.set_draining(tx, worker_id, draining)
        verb = "draining" if draining else "resumed"
        audit.record(tx, [AuditEntry(actor=caller.user, verb=verb, kind="worker", subject_id=worker_id)])
        return Json(_get(tx, worker_id).model_dump())


def _get(tx: Tx, worker_id: str) -> Worker:
    found = workers.get(tx, worker_id)
    if found is None:
        raise NotFound("worker", worker_id, "'st-ops worker list' shows the living ones.")
    return found


def _shape(entry: Worker, held: Sequence[Execution]) -> dict[str, Any]:
    runs = [
        {
            "id": one.id,
            "action_ref": one.action,
            "status": one.status.value,
            "start_timestamp": one.start_timestamp,
        }
        for one in held
    ]
    return {**entry.model_dump(), "running": len(held), "executions": runs}
