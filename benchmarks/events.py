"""Events: how many a second are accepted durably and matched, and how soon an alert's action starts."""

from __future__ import annotations

import statistics
import time
from typing import Any

from benchmarks.actions import REPEATS, moment
from benchmarks.backends import Backend
from benchmarks.platform import RunningPlatform
from benchmarks.report import Report, percentile
from benchmarks.waiting import until

_EVENTS = 5_000
#: Clients that post at once.
_CLIENTS = 64


def latency(report: Report, platform: RunningPlatform, backend: Backend, rules: int) -> None:
    """From the alert's POST to the start of the action it causes."""
    for number in range(10):
        _alert_to_start(platform, number)
    medians, worst = [], []
    for _ in range(REPEATS):
        commit = backend.commit(1)
        taken = [_alert_to_start(platform, number) for number in range(40)]
        medians.append(statistics.median(taken) * 1000)
        worst.append(percentile(taken, 0.99) * 1000)
    what = f"alert to action start, {rules:,} rules"
    limit = f"3 commits {commit * 3000:.2f} ms"
    report.add(f"{what}, p50", medians, "ms", limit=limit, target="≤ 20 ms")
    report.add(f"{what}, p99", worst, "ms")


def _alert_to_start(platform: RunningPlatform, number: int) -> float:
    answer = platform.http.post("/webhooks/bench", json={"host": "host0", "state": "down", "n": number})
    answer.raise_for_status()
    event = answer.json()["id"]
    occurred = moment(platform.get(f"/triggerinstances/{event}")["occurrence_time"])
    asked = {"trigger_instance": event, "limit": 1, "include_attributes": "start_timestamp,end_timestamp"}

    def ended() -> dict[str, str] | None:
        found: list[dict[str, str]] = platform.get("/executions", **asked)
        return found[0] if found and found[0].get("end_timestamp") else None

    found = until(ended, f"the action of event {event} has not ended", pause=0.003)
    return moment(found["start_timestamp"]) - occurred


def bodies(count: int, rules: int) -> list[dict[str, Any]]:
    """Payloads: one in ten matches one of ``rules`` rules."""
    return [
        {"host": f"host{number % rules}", "state": "down" if number % 10 == 0 else "up", "n": number}
        for number in range(count)
    ]


def over_http(report: Report, platform: RunningPlatform, backend: Backend, rules: int) -> None:
    """Posted by many clients at once, one event each; the generator shares the machine with the platform."""
    platform.post_many("/webhooks/bench", bodies(500, rules), connections=_CLIENTS)
    _wait_until_matched(platform)
    accepted, matched, p50, p99, cpu = [], [], [], [], []
    for _ in range(REPEATS):
        used, started = platform.cpu_seconds(), time.perf_counter()
        load = platform.post_many("/webhooks/bench", bodies(_EVENTS, rules), connections=_CLIENTS)
        _wait_until_matched(platform)
        matched.append(_EVENTS / (time.perf_counter() - started - load["preparing"]))
        accepted.append(load["rate"])
        p50.append(load["p50_ms"])
        p99.append(load["p99_ms"])
        cpu.append((platform.cpu_seconds() - used) * 1000 / _EVENTS)
    what = f"{rules:,} rules, {_CLIENTS} clients over HTTP"
    limit = f"{100 / backend.commit(100):,.0f} rows/s, 100 a commit"
    report.add(f"{what}: accepted", accepted, "/s", limit=limit)
    report.add(f"{what}: accepted and matched", matched, "/s", target="≥ 2,000/s" if rules == 1000 else "")
    report.add(f"{what}: answer, p50", p50, "ms")
    report.add(f"{what}: answer, p99", p99, "ms")
    report.add(f"{what}: CPU time of the platform for each", cpu, "ms")


def _wait_until_matched(platform: RunningPlatform) -> None:
    until(lambda: not platform.get("/triggerinstances", status="pending", limit=1), "events are not matched")
