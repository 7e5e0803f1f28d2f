"""A million executions in the history: how long lists, filters, pages and counts take, and what it does to writers."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import text

from benchmarks.backends import Backend
from benchmarks.history_cases import Case, cases
from benchmarks.history_store import build
from benchmarks.platform import RunningPlatform
from benchmarks.report import Report, percentile
from st_ops.model.executions import Execution
from st_ops.model.identity import new_id, now
from st_ops.model.status import Status
from st_ops.store import claims, executions, retention
from st_ops.store.database import Database
from st_ops.store.executions import Move
from st_ops.store.migrate import upgrade

T = TypeVar("T")

#: How often each question is asked.
_ASKED = 25
#: Executions of one batch in the life cycle that is timed, and how many batches.
_BATCH, _BATCHES = 16, 60


def measure(report: Report, backend: Backend, count: int) -> None:
    """Build a history of ``count`` executions in a fresh store of ``backend``, then ask it."""
    with (
        tempfile.TemporaryDirectory(prefix="st_ops-history-") as folder,
        _engines(backend, Path(folder)) as engines,
    ):
        database = Database(engines["ST_OPS_STORE__URL"])
        upgrade(database)
        _life_cycle(database)  # warms up
        empty = _life_cycle(database)
        history, seconds = build(database, count)
        report.add(f"building {count:,} executions with {count * 3:,} audit entries", seconds, "s")
        _writers(report, empty, _life_cycle(database))
        # Nothing but the questions is to be measured: its own workers and its retention rest.
        quiet = {"ST_OPS_SENSORS__ENABLED": "false", "ST_OPS_RETENTION__INTERVAL_SECONDS": "86400"}
        with RunningPlatform(settings={**engines, **quiet}) as platform:
            _ask(report, platform, cases(history))
            _passing_over(report, database, count // 2)
        _retention(report, database)
        database.close()


@contextmanager
def _engines(backend: Backend, folder: Path) -> Iterator[dict[str, str]]:
    fresh = backend.fresh()
    if fresh is None:
        yield {"ST_OPS_STORE__URL": f"sqlite:///{folder / 'history.db'}"}
    else:
        # One process, so that questions are asked of the store alone.
        yield {"ST_OPS_STORE__URL": fresh["ST_OPS_STORE__URL"]}


def _ask(report: Report, platform: RunningPlatform, asked: list[Case]) -> None:
    every: list[float] = []
    slowest: list[tuple[float, str, float]] = []
    for case in asked:
        taken = []
        for _ in range(_ASKED):
            path, query = case.ask()
            started = time.perf_counter()
            answer = platform.http.get(path, params=query)
            taken.append((time.perf_counter() - started) * 1000)
            answer.raise_for_status()
        every += taken
        slowest.append((statistics.median(taken), case.name, percentile(taken, 0.99)))
    report.add(
        f"{len(asked)} kinds of question over HTTP, {_ASKED} each: p50", statistics.median(every), "ms"
    )
    report.add("the same: p99", percentile(every, 0.99), "ms", target="≤ 50 ms")
    above = sum(1 for value in every if value > 50)
    report.add("the same: share above 50 ms", above * 100 / len(every), "%", target="≤ 1 %")
    for median, name, worst in sorted(slowest, reverse=True)[:4]:
        report.add(f"slowest kinds: {name}, p50", median, "ms", limit=f"slowest of {_ASKED}: {worst:.1f} ms")
    by_name = {name: (median, worst) for median, name, worst in slowest}
    for name in ("newest", "one action", "one user", "failed or timeout", "an hour, one action", "page 1,000 of 100",
                 "one execution", "its children"):  # fmt: skip
        median, worst = by_name[name]
        report.add(f"{name}: p50", median, "ms", limit=f"slowest of {_ASKED}: {worst:.1f} ms")


def _passing_over(report: Report, database: Database, entries: int) -> None:
    """What the database alone takes for the deepest page asked for: no list of that depth can be faster."""
    query = text(
        "SELECT created_at, id FROM execution ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET :entries"
    )
    with database.read() as tx:
        taken = [_timed(lambda: tx.execute(query, {"entries": entries}).all())[1] for _ in range(_ASKED)]
    name = f"the database alone passes over {entries:,} entries of an index: p50"
    report.add(
        name, statistics.median(taken) * 1000, "ms", limit=f"slowest of {_ASKED}: {max(taken) * 1000:.1f} ms"
    )


def _writers(report: Report, empty: float, full: float) -> None:
    report.add("requested, claimed and recorded in an empty store: each", empty * 1000, "ms")
    share = f"{(full / empty - 1) * 100:+.0f} %"
    report.add(
        "the same beside the history: each", full * 1000, "ms", limit=f"{share} against the empty store"
    )


def _life_cycle(database: Database) -> float:
    """Seconds that the store takes for one execution's whole life, ``_BATCH`` at a time; leaves nothing behind."""
    taken, ids = [], []
    worker = new_id()
    for _ in range(_BATCHES):
        entries = [
            Execution(action="core.noop", runner="noop", user="st2admin", queue="bench")
            for _ in range(_BATCH)
        ]
        started = time.perf_counter()
        with database.write() as tx:
            executions.insert_new(tx, entries)
        with database.write() as tx:
            claimed = claims.claim(tx, worker, ["bench"], (), _BATCH)
        ends = [
            Move(execution_id=one.id, status=Status.SUCCEEDED, token=one.token, result={}) for one in claimed
        ]
        with database.write() as tx:
            executions.move(tx, ends)
        taken.append((time.perf_counter() - started) / _BATCH)
        ids += [entry.id for entry in entries]
    with database.write() as tx:
        retention.forget_executions(tx, ids)
    return statistics.median(taken)


def _retention(report: Report, database: Database) -> None:
    """How long a batch of the forgetting holds up writers, in the oldest part of the history."""
    before = now() - timedelta(days=29)
    with database.read() as tx:
        found, finding = _timed(lambda: retention.old_executions(tx, before, 500))
    forgetting = []
    parts = [found[start : start + 20] for start in range(0, len(found), 20)]
    for part in parts:
        with database.write() as tx:
            forgetting.append(_timed(partial(retention.forget_executions, tx, part))[1] * 1000)
    report.add("retention: finding 500 trees that are old", finding * 1000, "ms")
    report.add(
        "retention: forgetting 20 executions (a batch adapts to 5 ms), p50",
        statistics.median(forgetting),
        "ms",
    )


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    found = work()
    return found, time.perf_counter() - started
