"""Who may claim what, and what becomes of what a lost worker held, on every store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from st_ops.executions.lost import decide
from st_ops.model.executions import WORKFLOW_QUEUE, Execution
from st_ops.model.identity import new_id, now
from st_ops.model.limits import Rate
from st_ops.model.records import Worker
from st_ops.model.status import Status
from st_ops.store import audit, claims, executions, rates, workers
from st_ops.store.database import Database
from st_ops.store.migrate import upgrade
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
        found = claims.claim(tx, new_id(), ["default"], labels, limit, **more)  # type: ignore[arg-type]
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


def a_lapsed_worker(store: Database) -> str:
    entry = Worker(
        id=new_id(), kind="runner", host="h", pid=1, process="elsewhere 1 1", queues=["default"], labels=[], slots=1,
        expires_at=now(),
    )  # fmt: skip
    with store.write() as tx:
        workers.register(tx, entry, -1.0)
    return entry.id


def test_what_was_claimed_anew_is_not_lost_with_its_former_worker(store: Database) -> None:
    (identifier,) = stored(store, idempotent=True)
    claimed(store, 1)
    with store.write() as tx:
        (lost,) = workers.orphans(tx, workflows=False)
    # Another reaper was quicker, and so was the next worker.
    with store.write() as tx:
        executions.move(tx, [decide(lost)])
    assert claimed(store, 1) == [identifier]
    with store.write() as tx:
        (late,) = executions.move(tx, [decide(lost)])
    assert late.refused == "Token 1 is no longer valid; the present one is 3."


def test_orphaned_workflows_do_not_hide_what_workers_ran(store: Database) -> None:
    workflows = stored(store, 5, queue=WORKFLOW_QUEUE)
    (plain,) = stored(store)
    with store.write() as tx:
        claims.claim(tx, new_id(), ["default", WORKFLOW_QUEUE], (), 10)
        assert [entry.id for entry in workers.orphans(tx, workflows=False, limit=1)] == [plain]
        assert sorted(entry.id for entry in workers.orphans(tx, workflows=True)) == sorted(workflows)


def test_no_worker_is_declared_lost_while_it_claims_and_no_orphan_is_given_to_two(postgres_url: str) -> None:
    store = Database(postgres_url)
    upgrade(store)
    worker = a_lapsed_worker(store)
    stored(store)
    with store.write() as claiming, store.write() as reaping:
        assert len(claims.claim(claiming, worker, ["default"], (), 1, registered=True)) == 1
        assert workers.reap_lost(reaping) == []
    stored(store)
    claimed(store, 1)
    with store.write() as one, store.write() as other:
        assert len(workers.orphans(one, workflows=False)) == 1
        assert workers.orphans(other, workflows=False) == []
    with store.write() as tx:
        assert [entry.id for entry in workers.reap_lost(tx)] == [worker]
    store.close()


def test_nothing_is_claimed_for_a_worker_that_was_declared_lost(store: Database) -> None:
    worker = a_lapsed_worker(store)
    stored(store, 2)
    with store.write() as tx:
        assert len(claims.claim(tx, worker, ["default"], (), 1, registered=True)) == 1
        assert [entry.id for entry in workers.reap_lost(tx)] == [worker]
    with store.write() as tx:
        assert claims.claim(tx, worker, ["default"], (), 1, registered=True) == []
        assert claims.claim(tx, worker, ["default"], ["gpu"], 1, registered=True) == []
        assert len(claims.claim(tx, worker, ["default"], (), 1)) == 1


def test_more_is_claimed_of_what_needs_no_slot(store: Database) -> None:
    first = stored(store, 3, runner="noop")
    between = stored(store, 2, runner="python-script")
    last = [*stored(store, 2, runner="noop", needs=["region=tokyo"]), *stored(store, 2, runner="noop")]
    slotless = ["noop", "inquirer"]

    # All that filled the limit needs no slot: what else needs none comes along, but nothing that needs a label.
    assert claimed(store, 2, slotless=slotless) == [*first, *last[2:]]
    assert claimed(store, 1, slotless=slotless) == between[:1]
    # One of these needs a slot: the limit is what it was.
    more = stored(store, 60, runner="noop")
    assert claimed(store, 2, slotless=slotless) == [between[1], more[0]]
    # However many wait, one transaction looks at 48 more at most (two of them need a label).
    assert len(claimed(store, 2, slotless=slotless)) == 48
    assert len(claimed(store, 60)) == 11


def test_what_needs_no_slot_is_held_back_like_everything(store: Database) -> None:
    stored(store, 6, action="p.fast")
    until = now() + timedelta(hours=1)
    seen: list[int] = []

    def hold(candidates: Sequence[Execution]) -> Mapping[str, datetime]:
        seen.append(len(candidates))
        return {} if len(seen) == 1 else {entry.id: until for entry in candidates[1:]}

    assert len(claimed(store, 2, slotless=["noop"], hold=hold)) == 3
    assert seen == [2, 4]
    assert not claimed(store, 9)
