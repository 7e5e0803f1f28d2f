"""Who may claim what, and what becomes of what a lost worker held, on every store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from st_ops.model.executions import Execution
from st_ops.model.identity import new_id, now
from st_ops.model.limits import Rate
from st_ops.model.status import Status
from st_ops.store import audit, executions, rates
from st_ops.store.database import Database
from tests.contract.stores import open_store


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from open_store(request.param, request, tmp_path)


def stored(store: Database, count: int = 1, **fields: object) -> list[str]:
    """Requested executions."""
    entries = [
        Execution.model_validate({"action": "p.a", "runner": "noop", **fields}) for _number in range(count)
    ]
    with store.write() as tx:
        executions.insert_new(tx, entries)
    return [entry.id for entry in entries]


def claimed(store: Database, limit: int, labels: Sequence[str] = (), **more: object) -> list[str]:
    with store.write() as tx:
        found = executions.claim(tx, new_id(), ["default"], labels, limit, **more)  # type: ignore[arg-type]
    return [entry.id for entry in found]


def test_what_waits_for_other_workers_does_not_hide_what_fits(store: Database) -> None:
    stored(store, 60, needs=["region=tokyo"])
    stored(store, 60, needs=["region=osaka"])
    fitting = [*stored(store, 2, needs=["region=paris"]), *stored(store, 2)]
    assert claimed(store, 3, ["region=paris"]) == fitting[:3]
    assert claimed(store, 3) == fitting[3:]
    assert len(claimed(store, 200, ["region=tokyo", "region=osaka", "gpu=1"])) == 120


def test_what_is_held_back_is_delayed_and_does_not_hide_what_follows(store: Database) -> None:
    fast, slow = stored(store, 5, action="p.fast"), stored(store, 5, action="p.slow")
    until = now() + timedelta(hours=1)

    def hold(candidates: Sequence[Execution]) -> Mapping[str, datetime]:
        return {entry.id: until for entry in candidates if entry.action == "p.fast"}

    assert claimed(store, 3, hold=hold) == slow[:3]
    assert claimed(store, 3, hold=hold) == slow[3:]
    with store.read() as tx:
        held = executions.get_many(tx, fast)
        told = audit.find(tx, subject_id=fast[0], newest_first=False)
    assert {(entry.status, entry.ready_at, entry.reason) for entry in held.values()} == {
        (Status.DELAYED, until, "rate limit")
    }
    assert [entry.verb for entry in told] == ["requested", "delayed"]


def test_of_what_came_due_meanwhile_no_more_start_than_the_rate_allows(store: Database) -> None:
    wanted, moment = Rate(count=3, seconds=10), now()

    def start(offset: float, count: int) -> tuple[int, float]:
        with store.write() as tx:
            allowed, following = rates.start(tx, "k", wanted, moment + timedelta(seconds=offset), count)
        return allowed, (following - moment).total_seconds()

    assert start(0, 2) == (2, 0)
    assert start(4, 9) == (1, 10)
    assert start(9, 1) == (0, 10)
    assert start(10, 9) == (2, 14)
    assert start(13, 9) == (0, 14)
    assert start(100, 1) == (1, 100)
