"""The platform at a glance: what waits, what runs, who works, what is wrong."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

import st_ops
from st_ops.api.answers import Json
from st_ops.api.services import Services
from st_ops.model.status import Status
from st_ops.model.waiting import Waiting, without_worker
from st_ops.packs.catalog import Snapshot
from st_ops.store import events, history, registry, workers
from st_ops.store.database import Tx

router = APIRouter(tags=["status"])

UNFINISHED = [status.value for status in Status if not status.terminal]


@router.get("/")
def get_root() -> Response:
    """What this server is."""
    return Json({"name": "st_ops", "version": st_ops.__version__, "docs_url": "/openapi.json"})


@router.get("/status")
def get_status(services: Services) -> Response:
    """Counts of what is registered, waiting and running; the workers; packs with problems."""
    with services.database.read() as tx:
        snapshot = services.catalog.current(tx)
        found: dict[str, Any] = {
            "version": st_ops.__version__,
            "store": services.database.dialect,
            "registered": _registered(snapshot),
            "executions": history.count_by_status(tx, UNFINISHED),
            "events": {"pending": events.count_pending(tx), "rejected": events.count_rejected(tx)},
            "workers": _workers(tx),
            "without_worker": [group.model_dump() for group in stranded(tx)],
            "problems": _problems(tx, snapshot),
        }
    return Json(found)


def _registered(snapshot: Snapshot) -> dict[str, int]:
    return {
        "packs": len(snapshot.packs),
        "actions": len(snapshot.actions),
        "rules": len(snapshot.rules),
        "rules_enabled": sum(rule.enabled for rule in snapshot.rules.values()),
        "sensors": len(snapshot.sensors),
        "trigger_types": len(snapshot.trigger_types),
    }


def _workers(tx: Tx) -> list[dict[str, Any]]:
    counts = workers.count_held(tx)
    return [
        {
            "id": entry.id, "kind": entry.kind, "host": entry.host, "pid": entry.pid, "queues": entry.queues,
            "labels": entry.labels, "slots": entry.slots, "running": counts.get(entry.id, 0),
            "draining": entry.draining,
        }
        for entry in workers.find(tx)
    ]  # fmt: skip


def stranded(tx: Tx) -> list[Waiting]:
    """What waits and no living worker takes, by queue and needs."""
    return without_worker(history.waiting(tx), workers.find(tx))


def _problems(tx: Tx, snapshot: Snapshot) -> list[dict[str, Any]]:
    return [
        {"pack": ref, **problem}
        for ref in snapshot.packs
        for problem in (registry.pack_row(tx, ref) or {}).get("problems", [])
    ]
