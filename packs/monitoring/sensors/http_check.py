"""The sensor monitoring.http_check: polls endpoints and tells when one goes down or comes up."""

from __future__ import annotations

from queue import Queue
from threading import Thread
from typing import Any

from st_ops.sdk import Context, SensorIdle, sensor

EVENT = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "url": {"type": "string"},
        "latency_ms": {"type": "number"},
        "status_code": {"type": "integer"},
        "reason": {"type": "string"},
        "failures": {"type": "integer"},
        "down_since": {"type": "string"},
        "episode": {"type": "string"},
    },
    "required": ["name", "url", "latency_ms", "episode"],
}


@sensor(
    name="http_check",
    description="Polls the endpoints of the config; emits only changes, after so many failures in a row.",
    triggers={
        "endpoint_down": {
            "description": "An HTTP endpoint stopped answering as expected.",
            "payload_schema": EVENT,
        },
        "endpoint_up": {
            "description": "An HTTP endpoint answers as expected again.",
            "payload_schema": EVENT,
        },
    },
)
def http_check(ctx: Context) -> None:
    endpoints = list(ctx.config.get("endpoints") or [])
    if not endpoints:
        raise SensorIdle("configs/monitoring.yaml names no endpoints: nothing to check")
    failures: Queue[Exception] = Queue()
    for endpoint in endpoints:
        # A thread each, so that a slow endpoint delays no other; daemons, so that it does not delay the end.
        Thread(target=_guarded, args=(ctx, endpoint, failures), daemon=True).start()
    while not ctx.wait(0.5):
        if not failures.empty():
            raise failures.get()


def _guarded(ctx: Context, endpoint: dict[str, Any], failures: Queue[Exception]) -> None:
    try:
        # Here, because httpx is large: a sensor without endpoints does without it.
        from endpoint_watch import watch

        watch(ctx, endpoint)
    except Exception as error:  # noqa: BLE001 - the edge of the thread: the sensor ends with it, and is started again
        failures.put(error)
