"""Many rows at once: as they went in, all or none, and with the same errors as one by one, on every store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from st_ops.errors import InvalidInput
from st_ops.model.executions import Execution
from st_ops.model.records import AuditEntry
from st_ops.store import audit, executions
from st_ops.store.database import Database
from st_ops.store.schema import audit as audit_table
from tests.contract.stores import open_store

#: One below the number from which PostgreSQL takes rows as one COPY, that number, and more than one part of 500.
_NUMBERS = [7, 8, 1100]

_TEXTS = ["plain", "tab\tand\nline", "back\\slash \\N \\.", "", "äöü 😀", '{"a": "b"}', "'quoted' \"twice\""]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from open_store(request.param, request, tmp_path)


@pytest.mark.parametrize("number", _NUMBERS)
def test_rows_come_back_as_they_went_in_and_in_their_order(store: Database, number: int) -> None:
    entries = [
        Execution(
            action="p.a", runner="noop", user=_TEXTS[index % 7], reason=_TEXTS[(index + 1) % 7],
            parameters={"text": _TEXTS[index % 7], "list": [None, True, 1.5]}, idempotent=bool(index % 2),
            timeout=None if index % 3 else 2.5, priority=-index, needs=["region=tokyo"] * (index % 2),
        )
        for index in range(number)
    ]  # fmt: skip
    with store.write() as tx:
        executions.insert_new(tx, entries)
    with store.read() as tx:
        found = [executions.get(tx, entry.id) for entry in entries[:20]]
        order = list(tx.execute(select(audit_table.c.subject_id).order_by(audit_table.c.seq)).scalars())
    for before, after in zip(entries, found, strict=False):
        assert after is not None
        changed = {"root_id": before.id, "trace_id": before.id}
        assert after == before.model_copy(update=changed)
    assert order == [entry.id for entry in entries]


@pytest.mark.parametrize("number", _NUMBERS)
def test_one_bad_row_keeps_all_out(store: Database, number: int) -> None:
    rows = [AuditEntry(verb="tried", kind="test") for _number in range(number)]
    again = [*rows[:-1], rows[0]]
    with pytest.raises(IntegrityError), store.write() as tx:
        audit.record(tx, again)
    with store.read() as tx:
        assert not audit.find(tx, verb="tried")
    with store.write() as tx:
        audit.record(tx, rows)


@pytest.mark.parametrize("number", _NUMBERS)
def test_a_text_that_the_store_cannot_keep_is_told_of(store: Database, number: int) -> None:
    if store.dialect == "sqlite":
        pytest.skip("SQLite keeps a NUL in a text.")
    rows = [AuditEntry(verb="tried", kind="test", reason="a\0b") for _number in range(number)]
    with pytest.raises(InvalidInput, match="NUL"), store.write() as tx:
        audit.record(tx, rows)
    with store.write() as tx:
        audit.record(tx, [AuditEntry(verb="tried", kind="test")])
