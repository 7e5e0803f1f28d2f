"""Concurrency slots and rates, on every store: never more than the limit, nothing stuck, nothing leaked."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from st_ops.model.executions import Execution
from st_ops.model.identity import new_id, now
from st_ops.model.limits import Rate, SlotLimit
from st_ops.model.status import Status
from st_ops.store import executions, rates, slots
from st_ops.store.database import Database, Tx
from st_ops.store.executions import Move
from tests.contract.stores import open_store


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from open_store(request.param, request, tmp_path)


def waiting(tx: Tx, *limits: SlotLimit, priority: int = 0, ready_in: float = 0) -> str:
    """A stored execution that asks for these slots."""
    entry = Execution(
        action="p.a", runner="noop", status=Status.DELAYED, waits_for_slot=True, priority=priority,
        ready_at=now() + timedelta(seconds=ready_in),
    )  # fmt: skip
    executions.insert_new(tx, [entry])
    slots.add(tx, {entry.id: limits})
    return entry.id


def one(limit: int, key: str = "k") -> SlotLimit:
    return SlotLimit(key=key, limit=limit)


def end(tx: Tx, identifier: str) -> set[str]:
    executions.move(tx, [Move(execution_id=identifier, status=Status.CANCELED)])
    return slots.release(tx, [identifier])


def test_no_more_than_the_limit_are_admitted_and_the_oldest_first(store: Database) -> None:
    with store.write() as tx:
        first, second, third = (waiting(tx, one(2)) for _ in range(3))
        assert slots.admit(tx, {"k"}) == [first, second]
        assert slots.admit(tx, {"k"}) == []
        assert slots.usage(tx) == {"k": (2, 1, 2)}
        assert slots.holders(tx, "k") == [first, second]
        assert end(tx, first) == {"k"}
        assert slots.admit(tx, {"k"}) == [third]


def test_a_higher_priority_is_admitted_before_older_ones(store: Database) -> None:
    with store.write() as tx:
        waiting(tx, one(1))
        urgent = waiting(tx, one(1), priority=5)
        assert slots.admit(tx, {"k"}) == [urgent]


def test_an_execution_gets_all_its_slots_or_none(store: Database) -> None:
    with store.write() as tx:
        holder = waiting(tx, one(1, "b"))
        assert slots.admit(tx, {"b"}) == [holder]
        both = waiting(tx, one(1, "a"), one(1, "b"))
        assert slots.admit(tx, {"a"}) == []
        assert slots.usage(tx)["a"] == (0, 1, 1)
        end(tx, holder)
        assert slots.admit(tx, {"b"}) == [both]


def test_one_that_is_not_due_is_not_admitted_and_found_by_the_sweep_later(store: Database) -> None:
    with store.write() as tx:
        waiting(tx, one(1), ready_in=3600)
        due = waiting(tx, one(1, "other"))
        assert slots.admit(tx, {"k"}) == []
        assert slots.with_waiting(tx) == {"other"}
        assert slots.admit(tx, slots.with_waiting(tx)) == [due]


def test_keys_that_are_full_do_not_hide_one_with_room_from_the_sweep(store: Database) -> None:
    with store.write() as tx:
        for number in range(5):
            for _ in range(2):
                waiting(tx, one(1, f"full {number}"))
            slots.admit(tx, {f"full {number}"})
        waiting(tx, one(1, "room"))
        assert slots.with_waiting(tx, limit=2) == {"room"}


def test_a_retry_gives_its_slot_back_and_waits_again(store: Database) -> None:
    with store.write() as tx:
        first = waiting(tx, one(1))
        slots.admit(tx, {"k"})
        executions.end_waiting(tx, [first])
        assert slots.give_back(tx, [first]) == {"k"}
        second = waiting(tx, one(1), priority=1)
        assert slots.admit(tx, {"k"}) == [second]


def test_one_that_never_had_a_slot_frees_none(store: Database) -> None:
    with store.write() as tx:
        waiting(tx, one(1))
        slots.admit(tx, {"k"})
        late = waiting(tx, one(1))
        assert end(tx, late) == set()


def test_concurrent_admissions_never_exceed_the_limit(store: Database) -> None:
    limit, rounds = 3, 30
    seeds = [random.Random(number) for number in range(4)]

    def work(chance: random.Random) -> int:
        highest = 0
        for _ in range(rounds):
            with store.write() as tx:
                waiting(tx, one(limit))
                executions.end_waiting(tx, slots.admit(tx, {"k"}))
                held = slots.holders(tx, "k")
                highest = max(highest, len(held))
            if chance.random() < 0.7 and held:
                with store.write() as tx:
                    executions.end_waiting(tx, slots.admit(tx, end(tx, chance.choice(held))))
        return highest

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(work, seeds)) == limit
    with store.read() as tx:
        assert slots.usage(tx)["k"][0] <= limit


def test_a_rate_is_never_exceeded_in_any_window(store: Database) -> None:
    wanted = Rate(count=3, seconds=10)
    moment = now()

    def ask(offset: int) -> float:
        with store.write() as tx:
            return (rates.give(tx, "k", wanted, moment + timedelta(seconds=offset)) - moment).total_seconds()

    with ThreadPoolExecutor(4) as pool:
        starts = sorted(pool.map(ask, [0] * 10))
    assert starts[:3] == [0, 0, 0]
    assert all(later - earlier >= 10 for earlier, later in zip(starts, starts[3:], strict=False))
    # An idle time is not saved up beyond the count.
    assert [ask(1000) for _ in range(4)] == [1000, 1000, 1000, 1010]


def test_unlimited_executions_have_no_slots(store: Database) -> None:
    with store.write() as tx:
        slots.add(tx, {new_id(): []})
        assert slots.usage(tx) == {}
        assert slots.release(tx, []) == set()
