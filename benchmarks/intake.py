"""Intake and rules without HTTP: what one process accepts and matches when 64 callers wait for their answer."""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path

from benchmarks.actions import REPEATS
from benchmarks.backends import Backend
from benchmarks.content import write_pack
from benchmarks.events import bodies
from benchmarks.report import Report
from benchmarks.waiting import until
from st_ops.model.events import Accepted, NewEvent, trigger_ref_for
from st_ops.services import Platform
from st_ops.settings import load
from st_ops.store import events
from st_ops.store.migrate import upgrade

_EVENTS = 10_000
_CALLERS = 64
_TRIGGER = trigger_ref_for("core.st2.webhook", {"url": "bench"})


def measure(report: Report, backend: Backend, rules: int) -> None:
    """Events accepted durably and matched against ``rules`` rules, on SQLite."""
    before = sys.getswitchinterval()
    # As the server has it.
    sys.setswitchinterval(0.001)
    try:
        with tempfile.TemporaryDirectory() as folder:
            _measure(report, backend, rules, Path(folder))
    finally:
        sys.setswitchinterval(before)


def _measure(report: Report, backend: Backend, rules: int, folder: Path) -> None:
    packs = write_pack(folder / "packs", rules=rules)
    settings = load({"home": folder / "home", "packs": {"dirs": [str(packs)]}, "logs": {"level": "warning"}})
    platform = Platform(settings, ("rules",))
    upgrade(platform.database)
    platform.registrar.reload()
    platform.open()
    try:
        accepted, matched = [], []
        for _ in range(REPEATS):
            started = time.perf_counter()
            _accept_all(platform, rules)
            accepted.append(_EVENTS / (time.perf_counter() - started))
            _wait_until_matched(platform)
            matched.append(_EVENTS / (time.perf_counter() - started))
    finally:
        platform.close()
    limit = f"{_CALLERS / backend.commit(_CALLERS):,.0f} rows/s, {_CALLERS} a commit"
    report.add(f"{rules:,} rules, {_CALLERS} callers in one process: accepted", accepted, "/s", limit=limit)
    target = "≥ 2,000/s" if rules == 1000 else ""
    report.add(f"{rules:,} rules: accepted and matched", matched, "/s", target=target)


def _accept_all(platform: Platform, rules: int) -> None:
    """Never more than so many without an answer, as from so many callers."""
    waiting: list[Future[Accepted]] = []
    for body in bodies(_EVENTS, rules):
        if len(waiting) == _CALLERS:
            for answer in waiting:
                answer.result()
            waiting.clear()
        payload = {"headers": {"Content-Type": "application/json"}, "body": body}
        event = NewEvent(trigger=_TRIGGER, payload=payload, series=body["host"], source="webhook bench")
        waiting.append(platform.intake.accept(event))
    for answer in waiting:
        answer.result()


def _wait_until_matched(platform: Platform) -> None:
    def matched() -> bool:
        with platform.database.read() as tx:
            return not events.count_pending(tx)

    until(matched, "events are not matched")
