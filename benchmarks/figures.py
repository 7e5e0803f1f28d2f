"""The figures, each measured on a platform of its own: embedded, SQLite with full durability, everything default."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import limits as machine
from benchmarks.content import write_pack
from benchmarks.platform import RunningPlatform
from benchmarks.report import figure

_UNFINISHED = ("requested", "scheduled", "delayed", "running")


def limits() -> None:
    """What the machine can do."""
    figure("spawn and reap /bin/true", machine.spawn() * 1000, "ms")
    figure("sh -c through pipes", machine.shell() * 1000, "ms")
    figure("a bare interpreter", machine.python() * 1000, "ms")
    figure("fork this process, one byte back, reap", machine.fork() * 1000, "ms")
    figure("pipe round trip", machine.pipe_round_trip() * 1000, "ms")
    figure("SQLite commit, synchronous=FULL, 1 row", machine.sqlite_commit() * 1000, "ms")
    figure("SQLite commit, synchronous=FULL, 100 rows", machine.sqlite_commit(100) * 1000, "ms")


def start() -> None:
    """Time to ready, and memory when idle."""
    ready, memory, tree = [], [], []
    for _ in range(3):
        with RunningPlatform() as platform:
            ready.append(platform.ready_seconds)
            time.sleep(2)
            memory.append(platform.memory_mb())
            tree.append(platform.tree_memory_mb())
    figure("exec to ready, first start (migrations, all packs)", statistics.median(ready), "s", "target 3 s")
    figure("resident memory of the idle platform", statistics.median(memory), "MB", "target 250 MB")
    figure("with its sensors and sandboxes (proportional)", statistics.median(tree), "MB")


def actions() -> None:
    """Actions a second, and what one costs."""
    fork, shell = machine.fork(), machine.shell()
    commit = machine.sqlite_commit()
    with tempfile.TemporaryDirectory() as folder:
        packs = write_pack(Path(folder))
        with RunningPlatform(packs) as platform:
            for action, parameters, limit in (
                ("core.noop", {}, f"commit {commit * 1000:.2f} ms"),
                (
                    "core.local",
                    {"cmd": "true"},
                    f"sh -c {shell * 1000:.2f} ms, commit {commit * 1000:.2f} ms",
                ),
                ("bench.answer", {"number": 1}, f"fork {fork * 1000:.2f} ms, commit {commit * 1000:.2f} ms"),
            ):
                _one_at_a_time(platform, action, parameters, limit)
                _many(platform, action, parameters, 4000 if action == "core.noop" else 1000)


def _one_at_a_time(platform: RunningPlatform, action: str, parameters: dict[str, Any], limit: str) -> None:
    for _ in range(5):
        _run_to_end(platform, action, parameters)
    taken = sorted(_run_to_end(platform, action, parameters) for _ in range(60))
    figure(f"{action}: request to finished, p50", statistics.median(taken) * 1000, "ms", limit)
    figure(f"{action}: request to finished, p99", taken[int(len(taken) * 0.99)] * 1000, "ms")


def _run_to_end(platform: RunningPlatform, action: str, parameters: dict[str, Any]) -> float:
    """Seconds from creation to end by the platform's own times: polling would measure the poller."""
    identifier = platform.run(action, **parameters)
    while True:
        found = platform.get(
            f"/executions/{identifier}", include_attributes="status,end_timestamp,created_at"
        )
        if found.get("end_timestamp"):
            return _moment(found["end_timestamp"]) - _moment(found["created_at"])
        time.sleep(0.005)


def _moment(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def _many(platform: RunningPlatform, action: str, parameters: dict[str, Any], count: int) -> None:
    """Queue ``count`` at once over HTTP from a process of its own; wait for the last to end."""
    body = {"action": action, "parameters": parameters}
    started = time.perf_counter()
    load = _post(platform, "/executions", [body] * count, connections=16)
    while _unfinished(platform, action):
        time.sleep(0.02)
    figure(f"{action}: a second, {count} requested over HTTP", count / (time.perf_counter() - started), "/s",
           f"requests alone {load['rate']:,.0f}/s")  # fmt: skip


def _unfinished(platform: RunningPlatform, action: str) -> bool:
    found = platform.get(
        "/executions", action=action, status=",".join(_UNFINISHED), limit=1, include_attributes="id"
    )
    return bool(found)


def _post(
    platform: RunningPlatform, path: str, bodies: list[dict[str, Any]], connections: int
) -> dict[str, Any]:
    token = (platform.home / "admin.token").read_text().strip()
    asked = {"url": platform.url + "/v1" + path, "token": token, "bodies": bodies, "connections": connections}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.http_load"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    bad = {status: number for status, number in answer["statuses"].items() if not status.startswith("2")}
    if bad:
        raise RuntimeError(f"Not every request was accepted: {bad}")
    return answer


def latency() -> None:
    """From the alert's POST to the start of the action it causes."""
    with tempfile.TemporaryDirectory() as folder:
        packs = write_pack(Path(folder), rules=100)
        with RunningPlatform(packs) as platform:
            taken = []
            for number in range(110):
                answer = platform.http.post(
                    "/webhooks/bench", json={"host": "host7", "state": "down", "n": number}
                )
                answer.raise_for_status()
                taken.append(_alert_to_start(platform, answer.json()["id"]))
            taken = sorted(taken[10:])
    beside = f"2 commits {machine.sqlite_commit() * 2000:.2f} ms"
    figure(
        "alert to first action start, p50", statistics.median(taken) * 1000, "ms", f"target 20 ms; {beside}"
    )
    figure("alert to first action start, p99", taken[int(len(taken) * 0.99)] * 1000, "ms")


def _alert_to_start(platform: RunningPlatform, event: str) -> float:
    occurred = _moment(platform.get(f"/triggerinstances/{event}")["occurrence_time"])
    while True:
        found = platform.get("/executions", trigger_instance=event, limit=1)
        if found and found[0].get("end_timestamp"):
            return _moment(found[0]["start_timestamp"]) - occurred
        time.sleep(0.002)


def workflow() -> None:
    """What one task of a chain costs."""
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningPlatform(write_pack(Path(folder), chain=100)) as platform,
    ):
        _run_to_end(platform, "bench.chain", {})
        taken = [_run_to_end(platform, "bench.chain", {}) for _ in range(3)]
    beside = f"3 commits {machine.sqlite_commit() * 3000:.2f} ms"
    figure("a chain of 100 noop tasks: per task", statistics.median(taken) * 10, "ms", beside)


def events() -> None:
    """Events a second, durable and matched, by number of rules."""
    commit = machine.sqlite_commit(100)
    for rules in (1, 100, 1000):
        with (
            tempfile.TemporaryDirectory() as folder,
            RunningPlatform(write_pack(Path(folder), rules=rules)) as platform,
        ):
            _events(platform, rules, 10_000, f"100 rows a commit: {100 / commit:,.0f} rows/s")


def _events(platform: RunningPlatform, rules: int, count: int, beside: str) -> None:
    bodies = [
        {"host": f"host{number % rules}", "state": "down" if number % 10 == 0 else "up", "n": number}
        for number in range(count)
    ]
    _post(platform, "/webhooks/bench", bodies[:200], connections=16)
    started = time.perf_counter()
    load = _post(platform, "/webhooks/bench", bodies, connections=64)
    with ThreadPoolExecutor(1):
        while platform.get("/triggerinstances", status="pending", limit=1):
            time.sleep(0.02)
    rate = count / (time.perf_counter() - started)
    figure(f"events accepted over HTTP, {rules} rules", load["rate"], "/s", beside)
    figure(f"events accepted and matched, {rules} rules", rate, "/s", "target 2,000/s with 1,000 rules")
    figure("  answer, p50", load["p50_ms"], "ms")
    figure("  answer, p99", load["p99_ms"], "ms")
