"""Is it alive, is it ready, and what do its figures say."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from st_ops.api.answers import Json
from st_ops.api.services import ApiServices, Services
from st_ops.errors import StOpsError

log = logging.getLogger(__name__)

router = APIRouter(tags=["health"])

#: Seconds a dependency has to answer.
_PING_SECONDS = 4.0


@router.get("/health/live")
async def live() -> Response:
    """200 while the process serves requests; asks nobody else."""
    return Json({"status": "alive"})


@router.get("/health/ready")
async def ready(services: Services) -> Response:
    """200 when every dependency answers; else 503, saying which one does not and why."""
    found = await to_thread.run_sync(ask_all, pings_of(services))
    failing = {name: reason for name, reason in found.items() if reason}
    body: dict[str, Any] = {
        "status": "not ready" if failing else "ready",
        "dependencies": {name: reason or "ok" for name, reason in found.items()},
    }
    if not failing:
        return Json(body)
    body["faultstring"] = " ".join(failing.values())
    return Json(body, status_code=503, headers={"Retry-After": "5"})


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Figures in Prometheus' text form."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def pings_of(services: ApiServices) -> dict[str, Callable[[], None]]:
    """Dependency → its ping."""
    return {"store": services.database.ping, "bus": services.bus.ping, **services.pings}


def ask_all(pings: Mapping[str, Callable[[], None]]) -> dict[str, str]:
    """Dependency → why it is not there, "" when it is. All are asked at once."""
    pool = ThreadPoolExecutor(max_workers=max(1, len(pings)), thread_name_prefix="ping")
    try:
        asked = {name: pool.submit(ping) for name, ping in pings.items()}
        wait(asked.values(), timeout=_PING_SECONDS)
        return {name: _reason(name, future) for name, future in asked.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _reason(name: str, future: Future[None]) -> str:
    if not future.done():
        return f"The {name} did not answer within {_PING_SECONDS:g} s."
    failure = future.exception()
    if failure is None:
        return ""
    if not isinstance(failure, StOpsError):
        log.error("Asking the %s failed.", name, exc_info=failure)
    return str(failure) or type(failure).__name__
