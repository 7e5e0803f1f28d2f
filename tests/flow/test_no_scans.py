"""Nothing that engines ask of the store while they work walks through the history, however long that is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as listening
from sqlalchemy import text

from st_ops.executions.requests import Request
from st_ops.model.events import NewEvent, trigger_ref_for
from st_ops.model.executions import Execution
from st_ops.services import STAGES, Platform
from st_ops.settings import load
from st_ops.store import executions
from st_ops.store.migrate import upgrade
from tests.waiting import eventually

#: Tables that keep what is over.
_GROWING = {
    "artifact", "audit", "enforcement", "event", "execution", "execution_result", "output", "workflow_log",
}  # fmt: skip
#: Indexes that hold only what is not over yet.
_UNFINISHED = {"ix_event_pending", "ix_execution_ready", "ix_execution_held", "ix_execution_unnoticed"}

_PACK = {
    "pack.yaml": "ref: walk\nname: walk\nversion: 1.0.0\ndescription: Walks.\nauthor: tests\n",
    "rules/run.yaml": (
        "name: run\npack: walk\nenabled: true\n"
        "trigger: {type: core.st2.webhook, parameters: {url: walk}}\n"
        "action: {ref: walk.chain, parameters: {}}\n"
    ),
    "actions/chain.yaml": (
        "name: chain\nrunner_type: orquesta\nentry_point: workflows/chain.yaml\n"
        "concurrency: {key: walk, limit: 1}\n"
    ),
    "actions/workflows/chain.yaml": (
        "version: 1.0\ntasks:\n"
        "  first: {action: core.noop, next: [{do: [second]}]}\n"
        "  second: {action: core.local, input: {cmd: ls}}\n"
    ),
}
_TRIGGER = trigger_ref_for("core.st2.webhook", {"url": "walk"})


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    for name, content in _PACK.items():
        file = tmp_path / "packs" / "walk" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    settings = load(
        {
            "home": tmp_path / "home",
            "packs": {"dirs": [str(tmp_path / "packs")]},
            "bus": {"sweep_seconds": 0.2},
            "worker": {"heartbeat_seconds": 0.2},
        }
    )
    made = Platform(settings, STAGES)
    upgrade(made.database)
    made.registrar.reload()
    yield made
    made.close()


def test_no_engine_walks_through_what_is_over(platform: Platform) -> None:
    asked: dict[str, Any] = {}

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        asked.setdefault(statement, values[0] if many else values)

    listening.listen(platform.database.engine, "before_cursor_execute", note)
    platform.open()
    _work(platform)
    listening.remove(platform.database.engine, "before_cursor_execute", note)

    plans = {
        statement: _plan(platform, statement, values)
        for statement, values in asked.items()
        if re.match(r"\s*(SELECT|UPDATE|DELETE|WITH)\b", statement)
    }
    assert len(plans) > 30
    walks = {
        f"{step} <- {' '.join(statement.split())}"
        for statement, plan in plans.items()
        for step in plan
        if _walks(step)
    }
    assert walks == set()


def _work(platform: Platform) -> None:
    """Events, matched rules, workflows under a limit, a failure, a cancellation; then a few sweeps."""
    for number in range(5):
        payload = {"headers": {}, "headers_lower": {}, "body": {"n": number}}
        platform.intake.accept(NewEvent(trigger=_TRIGGER, payload=payload, delivery=str(number))).result(10)
    # More of what needs no slot than a worker has slots: it claims more of it.
    platform.requests.request_many([Request(action="core.noop") for _number in range(40)])
    failing, _ = platform.requests.request(
        Request(action="core.local", parameters={"cmd": "exit 3"}, user="me")
    )
    lasting, _ = platform.requests.request(
        Request(action="core.local", parameters={"cmd": "sleep 60"}, user="me")
    )
    eventually(lambda: _found(platform, lasting).status == "running")
    platform.orders.cancel(lasting.id, "me")
    for one in (failing, lasting):
        eventually(lambda one=one: _found(platform, one).end_timestamp)  # type: ignore[misc]
    eventually(lambda: _count(platform, "action = 'walk.chain' AND status = 'succeeded'") == 5, 30)
    beats = _beats(platform)
    eventually(lambda: _beats(platform) > beats)


def _found(platform: Platform, execution: Execution) -> Execution:
    with platform.database.read() as tx:
        found = executions.get(tx, execution.id)
    assert found is not None
    return found


def _count(platform: Platform, condition: str) -> int:
    with platform.database.read() as tx:
        return int(tx.execute(text(f"SELECT count(*) FROM execution WHERE {condition}")).scalar_one())


def _beats(platform: Platform) -> int:
    with platform.database.read() as tx:
        return int(tx.execute(text("SELECT min(expires_at) FROM worker")).scalar_one())


def _plan(platform: Platform, statement: str, values: Any) -> list[str]:
    with platform.database.read() as tx:
        rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        return [str(row[3]) for row in rows]


def _walks(step: str) -> bool:
    found = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", step)
    return found is not None and found[1] in _GROWING and found[2] not in _UNFINISHED
