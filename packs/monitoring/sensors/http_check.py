"""The sensor monitoring.http_check: polls endpoints and tells when one goes down or comes up."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from queue import Queue
from threading import Thread
from typing import Any

from http_probe import Answer, probe

from st_ops.sdk import Context, sensor

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


@dataclass
class State:
    """Failed checks in a row, since when (the first of them), and whether the endpoint was told to be down."""

    failures: int = 0
    since: str = ""
    told: bool = False


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
        ctx.logger.info("The config of pack 'monitoring' names no endpoints: nothing to check.")
    failures: Queue[Exception] = Queue()
    for endpoint in endpoints:
        # A thread each, so that a slow endpoint delays no other; daemons, so that it does not delay the end.
        Thread(target=_guarded, args=(ctx, endpoint, failures), daemon=True).start()
    while not ctx.wait(0.5):
        if not failures.empty():
            raise failures.get()


def _guarded(ctx: Context, endpoint: dict[str, Any], failures: Queue[Exception]) -> None:
    try:
        watch(ctx, endpoint)
    except Exception as error:  # noqa: BLE001 - the edge of the thread: the sensor ends with it, and is started again
        failures.put(error)


def watch(ctx: Context, endpoint: dict[str, Any]) -> None:
    """Check one endpoint at its interval until the sensor is asked to end."""
    interval = float(endpoint.get("interval", 30))
    while not ctx.stopping.is_set():
        started = time.monotonic()
        take(ctx, endpoint, probe(**endpoint))
        ctx.wait(max(0.0, interval - (time.monotonic() - started)))


def take(ctx: Context, endpoint: dict[str, Any], answer: Answer) -> None:
    """Take one check's answer into the endpoint's state, which outlives this process, and emit a change.

    The state is stored before the event: after a crash the same event is emitted again, and dropped as a repeat.
    """
    name = str(endpoint.get("name") or endpoint["url"])
    state = _load(ctx, name)
    if answer.up:
        if state.told:
            _emit(ctx, "endpoint_up", name, endpoint, answer, state)
        if state != State():
            _save(ctx, name, State())
        return
    if state.told:
        return
    state.failures += 1
    state.since = state.since or datetime.now(UTC).isoformat()
    _save(ctx, name, state)
    if state.failures >= int(endpoint.get("failures", 3)):
        _emit(ctx, "endpoint_down", name, endpoint, answer, state)
        state.told = True
        _save(ctx, name, state)


def _emit(
    ctx: Context, trigger: str, name: str, endpoint: dict[str, Any], answer: Answer, state: State
) -> None:
    series = f"http_check/{name}"
    episode = f"{series}/{state.since}"
    payload = {
        "name": name,
        "url": endpoint["url"],
        "latency_ms": answer.latency_ms,
        "status_code": answer.status_code,
        "reason": answer.reason,
        "failures": state.failures,
        "down_since": state.since,
        "episode": episode,
    }
    ctx.emit(trigger, payload, delivery=f"{episode}/{trigger}", series=series, episode=episode)
    ctx.logger.info("%s: %s %s", trigger, name, answer.reason)


def _load(ctx: Context, name: str) -> State:
    text = ctx.kv.get(f"http_check/{name}")
    return State(**json.loads(text)) if text else State()


def _save(ctx: Context, name: str, state: State) -> None:
    ctx.kv.set(f"http_check/{name}", asdict(state))
