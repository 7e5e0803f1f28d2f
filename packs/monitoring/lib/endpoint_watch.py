"""What the sensor monitoring.http_check makes of the checks of one endpoint."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from http_probe import Answer, probe

from st_ops.sdk import Context


@dataclass
class State:
    """Failed checks in a row, since when (the first of them), and whether the endpoint was told to be down."""

    failures: int = 0
    since: str = ""
    told: bool = False


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
