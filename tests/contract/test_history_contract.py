"""Lists of what was run: the same answers on every store, from an index however long the history is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as listening
from sqlalchemy import text

from benchmarks.history_cases import cases
from benchmarks.history_store import build
from st_ops.model.events import TriggerInstance
from st_ops.model.executions import Execution
from st_ops.model.identity import now
from st_ops.model.status import Status
from st_ops.store import audit, events, executions, history, hours, retention
from st_ops.store.database import Database
from st_ops.store.history import ExecutionFilter
from tests.contract.stores import open_store

_STATUSES = (Status.SUCCEEDED, Status.FAILED, Status.TIMEOUT, Status.REQUESTED)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from open_store(request.param, request, tmp_path)


@pytest.fixture
def entries(store: Database) -> list[Execution]:
    """Forty executions, the oldest first: every status, two users, two at each moment."""
    start = now() - timedelta(days=1)
    made = [
        Execution(
            action="core.noop", runner="noop", status=status, user=user, created_at=start + timedelta(seconds=n // 2)
        )
        for n, (status, user) in enumerate(itertools.islice(itertools.cycle(itertools.product(_STATUSES, "ab")), 40))
    ]  # fmt: skip
    with store.write() as tx:
        executions.insert_new(tx, made)
    return sorted(made, key=lambda entry: (entry.created_at, entry.id))


@pytest.mark.parametrize("statuses", [
    (), (Status.FAILED,), (Status.FAILED, Status.TIMEOUT), (Status.REQUESTED, Status.FAILED, Status.SUCCEEDED),
])  # fmt: skip
@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_of_several_statuses_fit_together_in_the_order_of_creation(
    store: Database, entries: list[Execution], statuses: tuple[Status, ...], newest_first: bool
) -> None:
    expected = [
        entry.id for entry in entries if entry.user == "a" and (entry.status in statuses or not statuses)
    ]
    wanted = ExecutionFilter(user="a", status=tuple(status.value for status in statuses))
    with store.read() as tx:
        pages = [
            history.find(tx, wanted, limit=3, offset=offset, newest_first=newest_first)
            for offset in range(0, 24, 3)
        ]
        assert history.count(tx, wanted) == len(expected)
    found = [entry.id for page in pages for entry in page]
    assert found == (expected[::-1] if newest_first else expected)


@pytest.fixture
def full(store: Database) -> Database:
    """Three thousand executions of ten actions; one in ten ended without success."""
    statuses = [Status.SUCCEEDED] * 9 + [Status.FAILED, *[Status.SUCCEEDED] * 9, Status.TIMEOUT]
    made = [
        Execution(
            action=f"a.{n * 7 % 10}", user=f"u{n * 7 % 10}", rule=f"r.{n * 7 % 10}", runner="noop",
            status=statuses[n % 20],
            created_at=now() - timedelta(seconds=n),
        )
        for n in range(3000)
    ]  # fmt: skip
    with store.write() as tx:
        executions.insert_new(tx, made)
    with store.write() as tx:
        tx.execute(text("ANALYZE"))
    return store


@pytest.mark.parametrize(("wanted", "index"), [
    ({"action": "a.3"}, "ix_execution_action_unsuccessful"),
    ({"user": "u3"}, "ix_execution_user_unsuccessful"),
    ({"rule": "r.3"}, "ix_execution_rule_unsuccessful"),
])  # fmt: skip
@pytest.mark.parametrize("statuses", [("failed",), ("failed", "timeout")])
def test_what_ended_without_success_is_found_by_an_index_of_its_own(
    full: Database, wanted: dict[str, str], index: str, statuses: tuple[str, ...]
) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, values))

    with full.read() as tx:
        listening.listen(full.engine, "before_cursor_execute", note)
        found = history.find(tx, ExecutionFilter(**wanted, status=statuses), limit=10)
        listening.remove(full.engine, "before_cursor_execute", note)
        explain = "EXPLAIN QUERY PLAN" if full.dialect == "sqlite" else "EXPLAIN"
        statement, values = asked[-1]
        plan = " ".join(str(row) for row in tx.exec_driver_sql(f"{explain} {statement}", values))
    assert len(found) == 10
    assert index in plan, plan


@pytest.fixture
def postgresql(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from open_store("postgresql", request, tmp_path)


def test_what_people_look_up_is_planned_for_its_values_each_time(postgresql: Database) -> None:
    for _ in range(
        12
    ):  # what comes five times the driver prepares, and the server then keeps a plan for any value
        with postgresql.read() as tx:
            history.find(tx, ExecutionFilter(action="a.b"))
            history.count(tx, ExecutionFilter(action="a.b"))
            history.children_ids(tx, ["x"])
            audit.status_log(tx, ["x"])
            events.get_many(tx, ["x"])
    kept = text("SELECT statement, custom_plans, generic_plans FROM pg_prepared_statements")
    with postgresql.read() as tx:
        asked = [row for row in tx.execute(kept) if row.statement.startswith("SELECT")]
    assert len(asked) == 5
    assert all(row.custom_plans and not row.generic_plans for row in asked), asked


def test_the_next_transaction_of_a_connection_plans_as_ever(postgresql: Database) -> None:
    for _ in range(2):
        with postgresql.read() as tx:
            assert tx.execute(text("SHOW plan_cache_mode")).scalar_one() == "auto"
            history.find(tx, ExecutionFilter())
            assert tx.execute(text("SHOW plan_cache_mode")).scalar_one() == "force_custom_plan"


def test_a_page_that_ends_the_list_is_not_counted_again(store: Database, entries: list[Execution]) -> None:
    wanted = ExecutionFilter(status=("failed",))
    with store.read() as tx:
        for limit, offset in ((100, 0), (4, 8), (5, 5), (5, 0), (5, 100), (0, 0)):
            found = len(history.find(tx, wanted, limit=limit, offset=offset))
            assert history.count(tx, wanted, found=found, limit=limit, offset=offset) == 10
        assert history.count(tx, ExecutionFilter(action="no.such"), limit=5) == 0


def test_counting_stops_where_a_page_needs_no_more(
    store: Database, entries: list[Execution], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "COUNT_LIMIT", 7)
    monkeypatch.setattr(events, "COUNT_LIMIT", 2)
    instances = [TriggerInstance(trigger="core.st2.webhook", payload={}) for _ in range(3)]
    with store.write() as tx:
        events.insert_new(tx, instances)
    with store.read() as tx:
        assert history.count(tx, ExecutionFilter()) == 7
        assert history.count(tx, ExecutionFilter(), found=5, limit=5, offset=5) == 7
        found, total = events.find(tx, status="pending")
    assert (len(found), total) == (3, 2)


def test_the_benchmark_fills_a_store_of_today(store: Database) -> None:
    made, _seconds = build(store, 400)
    assert len(cases(made)) > 30
    with store.read() as tx:
        assert history.count(tx, ExecutionFilter()) >= 400
        found = history.find(tx, ExecutionFilter(action="core.local"), result=True)
        assert found
        assert all(entry.status in Status and not entry.limited and entry.result for entry in found)
        assert audit.find(tx, subject_id=found[0].id)


def pages(store: Database, size: int, newest_first: bool) -> list[list[str]]:
    found = []
    for offset in range(0, 500, size):
        with store.read() as tx:
            page = history.find(tx, ExecutionFilter(), limit=size, offset=offset, newest_first=newest_first)
        found.append([entry.id for entry in page])
    return found


@pytest.mark.parametrize("newest_first", [True, False])
def test_late_pages_are_found_by_the_hours_that_were_counted(
    store: Database, newest_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = now()
    # Some today, none for days, most of them days ago: several at the very end and the beginning of an hour.
    edge = moment.replace(minute=0, second=0, microsecond=0) - timedelta(days=9)
    moments = [moment - timedelta(minutes=n) for n in range(60)] + [
        edge + timedelta(minutes=n) for n in range(240)
    ]
    moments += [edge + timedelta(hours=1, microseconds=n) for n in (-1, -1, 0, 0)]
    made = [Execution(action="core.noop", runner="noop", created_at=at) for at in moments]
    with store.write() as tx:
        executions.insert_new(tx, made)
    plain = pages(store, 7, newest_first)
    assert sum(map(len, plain)) == len(made)
    monkeypatch.setattr(history, "_FAR", 0)
    assert pages(store, 7, newest_first) == plain

    monkeypatch.setattr(hours, "_MOST_EXECUTIONS", 50)
    rounds = 0
    counted = 1
    while counted:
        with store.write() as tx:
            counted = hours.count(tx)
        rounds += 1
        assert pages(store, 7, newest_first) == plain
    assert rounds > 3
    with store.read() as tx:
        middle = hours.landing(tx, 150, newest_first=newest_first)
    assert middle.moment is not None
    assert middle.offset < 65

    # What is forgotten is taken off: all of the oldest hour, one of another, and one that was not counted.
    gone = [entry.id for entry in made[60:120]] + [made[200].id, made[0].id]
    with store.write() as tx:
        retention.forget_executions(tx, gone)
    left = [identifier for page in plain for identifier in page if identifier not in gone]
    assert [identifier for page in pages(store, 7, newest_first) for identifier in page] == left
    with store.write() as tx:
        assert hours.count(tx) == 0
    assert [identifier for page in pages(store, 7, newest_first) for identifier in page] == left


def test_nothing_is_counted_of_an_empty_store_and_of_hours_that_may_still_grow(store: Database) -> None:
    with store.write() as tx:
        assert hours.count(tx) == 0
        executions.insert_new(tx, [Execution(action="core.noop", runner="noop")])
        assert hours.count(tx) == 0
        assert hours.landing(tx, 3, newest_first=True) == hours.Landing(None, 3)


def test_years_without_executions_cost_nothing(store: Database) -> None:
    ages = [timedelta(days=365 * 20), timedelta(days=365 * 10), timedelta(days=365 * 10), timedelta()]
    made = [Execution(action="core.noop", runner="noop", created_at=now() - age) for age in ages]
    with store.write() as tx:
        executions.insert_new(tx, made)
        assert hours.count(tx) == 2
        assert hours.count(tx) == 0
        retention.forget_executions(tx, [entry.id for entry in made])
        assert hours.count(tx) == 0
        assert hours.landing(tx, 0, newest_first=False) == hours.Landing(None, 0)
