"""What one action costs from request to end, and how many run a second when many are queued at once."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from benchmarks import limits
from benchmarks.backends import Backend
from benchmarks.platform import RunningPlatform
from benchmarks.report import Report, percentile
from benchmarks.waiting import until

_UNFINISHED = "requested,scheduled,delayed,running"

#: Seconds in which a run is not asked about.
_UNDISTURBED = 0.015

#: How often a short measurement is repeated; the median counts.
REPEATS = 3


@dataclass(frozen=True)
class Kind:
    """One kind of action: its ref and parameters, how many are queued at once, and what we want."""

    name: str
    action: str
    parameters: dict[str, Any]
    queued: int
    rate_target: str = ""
    time_target: str = ""


KINDS = (
    Kind("noop", "core.noop", {}, 10_000, "≥ 1,500/s"),
    Kind("shell", "core.local", {"cmd": "true"}, 3_000, "≥ 250/s"),
    Kind("python", "bench.answer", {"number": 1}, 3_000, "≥ 250/s", "≤ 8 ms"),
)


def one_at_a_time(report: Report, platform: RunningPlatform, backend: Backend) -> None:
    """Request to finished, one after the other, beside the commits and the fork that it cannot do without."""
    for kind in KINDS:
        for _ in range(5):
            run_to_end(platform, kind.action, kind.parameters)
        medians, worst, over, posted = [], [], [], []
        for _ in range(REPEATS):
            # Requested, claimed and recorded: three commits, and the process.
            floor = 3 * backend.commit(1) + _process_seconds(kind.name)
            runs = [run_to_end(platform, kind.action, kind.parameters) for _ in range(50)]
            taken = [run.seconds for run in runs]
            posted.append(statistics.median(run.since_post for run in runs) * 1000)
            medians.append(statistics.median(taken) * 1000)
            worst.append(percentile(taken, 0.99) * 1000)
            over.append(medians[-1] - floor * 1000)
        limit = f"{floor * 1000:.2f} ms: 3 commits{'' if kind.name == 'noop' else ', 1 process'}"
        report.add(
            f"{kind.name}: request to finished, p50", medians, "ms", limit=limit, target=kind.time_target
        )
        report.add(f"{kind.name}: request to finished, p99", worst, "ms")
        report.add(f"{kind.name}: from before its POST to finished, p50", posted, "ms")
        report.add(f"{kind.name}: our own share of it (p50 − limit)", over, "ms")


def _process_seconds(name: str) -> float:
    return {"noop": lambda: 0.0, "shell": limits.shell, "python": limits.warm_fork}[name]()


@dataclass(frozen=True)
class Run:
    """What one run took: ``seconds`` from request to end as the platform recorded them, and since before its POST."""

    seconds: float
    since_post: float


def run_to_end(
    platform: RunningPlatform, action: str, parameters: dict[str, Any], *, pause: float = 0.01
) -> Run:
    """Run it. Asked for only after a while: a poll costs the platform as much as a run, and would be measured too."""
    posted = time.time()
    path = f"/executions/{platform.run(action, **parameters)}"
    time.sleep(_UNDISTURBED)

    def ended() -> dict[str, str] | None:
        found: dict[str, str] = platform.get(path, include_attributes="status,end_timestamp,created_at")
        return found if found.get("end_timestamp") else None

    found = until(ended, f"an execution of {action} has not ended", pause=pause)
    end = moment(found["end_timestamp"])
    return Run(end - moment(found["created_at"]), end - posted)


def moment(text: str) -> float:
    """A time of the API's in seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def many_over_http(report: Report, platform: RunningPlatform) -> None:
    """Noop actions requested one by one, by 16 clients at once."""
    rates, asked, cpu = [], [], []
    body = {"action": "core.noop", "parameters": {}}
    for _ in range(REPEATS):
        used, started = platform.cpu_seconds(), time.perf_counter()
        load = platform.post_many("/executions", [body] * 2000, connections=16)
        _wait_until_over(platform, "core.noop")
        rates.append(2000 / (time.perf_counter() - started - load["preparing"]))
        asked.append(load["rate"])
        cpu.append((platform.cpu_seconds() - used) * 1000 / 2000)
    report.add("noop: a second, each requested by a POST of its own", rates, "/s")
    report.add("noop: POSTs a second meanwhile", asked, "/s")
    report.add("noop: CPU time of the platform for each", cpu, "ms")


def queued(report: Report, platform: RunningPlatform) -> None:
    """Thousands queued at once: how many a second, whether it gets slower, and whether all arrive."""
    for kind in KINDS:
        before = platform.memory_mb()
        used = platform.cpu_seconds()
        since = time.time()
        _request_at_once(platform, kind)
        most = _wait_until_over(platform, kind.action)
        cpu = (platform.cpu_seconds() - used) * 1000 / kind.queued
        ended = _ended(platform, kind, since)
        fifth = kind.queued // 5
        first, last = fifth / (ended[fifth] - ended[0]), fifth / (ended[-1] - ended[-1 - fifth])
        what = f"{kind.name}, {kind.queued:,} queued at once"
        report.add(f"{what}: a second", kind.queued / (ended[-1] - since), "/s", target=kind.rate_target)
        report.add(f"{what}: last fifth against the first", last / first * 100, "%", target="≥ 80 %")
        report.add(f"{what}: CPU time of the platform for each", cpu, "ms")
        grown = max(0.0, most - before)
        report.add(f"{what}: memory grew by", grown, "MB", target="< 100 MB" if kind.name == "noop" else "")


def _request_at_once(platform: RunningPlatform, kind: Kind) -> None:
    wishes = [{"action": kind.action, "parameters": kind.parameters}] * kind.queued
    answer = platform.http.post("/executions/batch", json={"executions": wishes})
    answer.raise_for_status()


def _wait_until_over(platform: RunningPlatform, action: str) -> float:
    """Wait until no execution of ``action`` is unfinished; the most memory seen meanwhile, in MB."""
    most = [platform.memory_mb()]

    def over() -> bool:
        most.append(platform.memory_mb())
        return not platform.count(action=action, status=_UNFINISHED)

    # Seldom: to count so many on PostgreSQL, each time, was found to take a fifth of one core.
    until(over, f"executions of {action} have not ended", pause=0.25)
    return max(most)


def _ended(platform: RunningPlatform, kind: Kind, since: float) -> list[float]:
    """When each of those queued ended, ascending. Raises RuntimeError when one is missing or failed."""
    asked = {"action": kind.action, "limit": -1, "include_attributes": "status,end_timestamp"}
    found = platform.get(
        "/executions", timestamp_gt=datetime.fromtimestamp(since).astimezone().isoformat(), **asked
    )
    statuses = Counter(one["status"] for one in found)
    if statuses != {"succeeded": kind.queued}:
        raise RuntimeError(f"Of {kind.queued} executions of {kind.action} came out: {dict(statuses)}")
    return sorted(moment(one["end_timestamp"]) for one in found)
