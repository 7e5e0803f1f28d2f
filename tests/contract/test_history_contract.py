"""Lists of what was run: the same answers on every store, from an index however long the history is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from st_ops.model.events import TriggerInstance
from st_ops.model.executions import Execution
from st_ops.model.identity import now
from st_ops.model.status import Status
from st_ops.store import events, executions, history
from st_ops.store.database import Database
from st_ops.store.history import ExecutionFilter
from st_ops.store.migrate import upgrade
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


def test_what_ended_without_success_is_listed_from_one_index(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    upgrade(database)
    query = history._narrow(
        select(*history._ORDER), ExecutionFilter(action="a.b", user="u", status=("failed",))
    )
    with database.read() as tx:
        sql = str(query.compile(dialect=tx.dialect, compile_kwargs={"literal_binds": True}))
        plan = " ".join(str(row) for row in tx.execute(text(f"EXPLAIN QUERY PLAN {sql}")))
    database.close()
    assert "COVERING INDEX ix_execution_unsuccessful" in plan


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
        found, total = events.find(tx, status="pending")
    assert (len(found), total) == (3, 2)
