"""What is old is forgotten, on every store: whole trees, in small batches, found through an index."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from st_ops.executions.retention import Pace, Retention
from st_ops.model.artifacts import Artifact
from st_ops.model.events import InstanceStatus, RejectedEvent, RuleEnforcement, TriggerInstance
from st_ops.model.executions import Execution, OutputLine
from st_ops.model.identity import first_id, new_id, now
from st_ops.model.records import AuditEntry, KeyValue, Token
from st_ops.model.status import Status
from st_ops.settings import RetentionSettings
from st_ops.store import (
    artifacts,
    audit,
    events,
    executions,
    key_values,
    outputs,
    retention,
    schema,
    tokens,
    workers,
    workflow_log,
)
from st_ops.store.database import Database
from tests.contract.stores import open_store

#: Seconds; far beyond every period below.
LONG_AGO = now() - timedelta(days=1000)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from open_store(request.param, request, tmp_path)


class Files:
    """The storage of artifacts, as far as retention sees it."""

    def __init__(self) -> None:
        self.removed: list[str] = []

    def remove(self, locations: Sequence[str]) -> None:
        self.removed += locations


@pytest.fixture
def files() -> Files:
    return Files()


def purge(store: Database, files: Files, **settings: float) -> dict[str, int]:
    rows = RetentionSettings.model_validate({"pause_seconds": 0, **settings})
    return Retention(store, rows, files.remove).round()


def id_of(moment: datetime) -> str:
    """A new id as one made at ``moment``."""
    return first_id(moment)[:8] + new_id()[8:]


def an_execution(ended: datetime | None = LONG_AGO, **fields: object) -> Execution:
    at = ended or LONG_AGO
    status = Status.RUNNING if ended is None else Status.SUCCEEDED
    values = {"id": id_of(at), "action": "core.noop", "runner": "noop", "status": status, "created_at": at,
              "start_timestamp": at, "end_timestamp": ended, **fields}  # fmt: skip
    return Execution.model_validate(values)


def stored(store: Database, *entries: Execution) -> list[str]:
    with store.write() as tx:
        executions.insert_new(tx, entries)
        for entry in entries:
            line = OutputLine(execution_id=entry.id, seq=1, timestamp=entry.created_at, data="hello")
            outputs.append(tx, [line])
    return [entry.id for entry in entries]


def left(store: Database, table: str) -> int:
    with store.read() as tx:
        return int(tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def present(store: Database, ids: Sequence[str]) -> list[str]:
    with store.read() as tx:
        return [key for key in ids if executions.get(tx, key) is not None]


def test_an_old_execution_goes_with_all_that_belongs_to_it(store: Database, files: Files) -> None:
    (old, recent) = stored(store, an_execution(), an_execution(now()))
    with store.write() as tx:
        for key in (old, recent):
            workflow_log.append(tx, key, 0, [("definition", "", {})])
            artifacts.put(
                tx, [Artifact(execution_id=key, name="a", size=1, digest="d", location=f"file:///{key}")]
            )
            tx.execute(schema.execution_result.insert(), [{"execution_id": key, "data": b"x"}])
            tx.execute(
                schema.slot.insert(), [{"execution_id": key, "key": "k", "limit": 1, "admitted": True}]
            )
    assert purge(store, files)["executions"] == 1
    assert present(store, [old, recent]) == [recent]
    for table in ("output", "execution_result", "workflow_log", "artifact", "slot"):
        assert left(store, table) == 1, table
    assert files.removed == [f"file:///{old}"]


def test_a_tree_goes_with_its_root_and_not_before(store: Database, files: Files) -> None:
    root = an_execution(now())
    child = an_execution(parent_id=root.id, root_id=root.id)
    old_root = an_execution()
    old_child = an_execution(parent_id=old_root.id, root_id=old_root.id)
    grandchild = an_execution(parent_id=old_child.id, root_id=old_root.id)
    ids = stored(store, root, child, old_root, old_child, grandchild)
    assert purge(store, files)["executions"] == 3
    assert present(store, ids) == [root.id, child.id]


def test_a_tree_in_which_something_still_runs_is_kept_and_does_not_hold_up_others(
    store: Database, files: Files
) -> None:
    root = an_execution(LONG_AGO - timedelta(days=1))
    running = an_execution(None, parent_id=root.id, root_id=root.id)
    other = an_execution()
    ids = stored(store, root, running, other)
    assert purge(store, files, batch=1)["executions"] == 1
    assert present(store, ids) == [root.id, running.id]


def test_children_go_before_their_parents(store: Database) -> None:
    root = an_execution()
    child = an_execution(parent_id=root.id, root_id=root.id)
    grandchild = an_execution(parent_id=child.id, root_id=root.id)
    stored(store, root, child, grandchild)
    with store.read() as tx:
        assert retention.old_executions(tx, now(), 10) == [grandchild.id, child.id, root.id]


def test_what_is_not_over_is_kept_however_old(store: Database, files: Files) -> None:
    ids = stored(store, an_execution(None))
    purge(store, files)
    assert present(store, ids) == ids


def test_output_goes_before_its_execution_does(store: Database, files: Files) -> None:
    at = now() - timedelta(days=20)
    ids = stored(store, an_execution(at))
    done = purge(store, files)
    assert done == {"output": 1}
    assert present(store, ids) == ids


def test_recent_output_of_an_old_execution_is_kept(store: Database, files: Files) -> None:
    (key,) = stored(store, an_execution(None))
    with store.write() as tx:
        outputs.append(tx, [OutputLine(execution_id=key, seq=2, data="still here")])
    purge(store, files)
    with store.read() as tx:
        assert [line.data for line in outputs.find(tx, key)] == ["still here"]


def test_old_events_go_with_what_the_rules_made_of_them_unless_they_wait(
    store: Database, files: Files
) -> None:
    old, recent, waiting = (
        TriggerInstance(id=id_of(at), trigger="p.t", occurrence_time=at) for at in (LONG_AGO, now(), LONG_AGO)
    )
    with store.write() as tx:
        events.insert_new(tx, [old, recent, waiting])
        events.finish(tx, [old.id, recent.id], InstanceStatus.PROCESSED)
        events.insert_enforcements(
            tx, [RuleEnforcement(rule_ref="p.r", trigger_instance_id=one.id) for one in (old, recent)]
        )
    assert purge(store, files) == {"events": 1}
    with store.read() as tx:
        assert set(events.get_many(tx, [old.id, recent.id, waiting.id])) == {recent.id, waiting.id}
        found, _ = events.find_enforcements(tx)
    assert [entry.trigger_instance_id for entry in found] == [recent.id]


def test_rejected_events_audit_keys_and_tokens_have_periods_of_their_own(
    store: Database, files: Files
) -> None:
    months = now() - timedelta(days=100)
    with store.write() as tx:
        for at in (months, now()):
            events.reject(tx, RejectedEvent(at=at, source="s", status_code=400, reason="r", body=""))
        audit.record(tx, [AuditEntry(at=at, verb="v", kind="k") for at in (LONG_AGO, months)])
        key_values.put(tx, [
            KeyValue(name="gone", value="1", expire_timestamp=months),
            KeyValue(name="later", value="1", expire_timestamp=now() + timedelta(hours=1)),
            KeyValue(name="ever", value="1"),
        ])  # fmt: skip
        for number, until in enumerate((months, now() + timedelta(hours=1), None)):
            tokens.put(tx, Token(user="u", digest=str(number), expires_at=until))
    done = purge(store, files)
    assert done == {"rejected events": 1, "audit entries": 1, "expired key-values": 1, "expired tokens": 1}
    with store.read() as tx:
        assert [entry.name for entry in key_values.find(tx)] == ["ever", "later"]
        assert events.count_rejected(tx) == 1
        entries = audit.find(tx)
    # The audit log tells why its older entries are missing.
    assert [(entry.verb, entry.detail) for entry in entries] == [("forgotten", done), ("v", {})]
    assert left(store, "token") == 2


def test_nought_days_keep_for_ever(store: Database, files: Files) -> None:
    ids = stored(store, an_execution())
    days = dict.fromkeys(("execution_days", "output_days", "artifact_days", "event_days", "audit_days"), 0)
    assert purge(store, files, **days) == {}
    assert present(store, ids) == ids


def test_only_one_process_forgets_at_a_time(store: Database, files: Files) -> None:
    stored(store, an_execution())
    with store.write() as tx:
        assert workers.take_lease(tx, "retention", new_id(), 60) is not None
    assert purge(store, files) == {}


def test_files_that_cannot_be_removed_now_keep_their_rows(store: Database) -> None:
    (key,) = stored(store, an_execution())
    with store.write() as tx:
        artifacts.put(tx, [Artifact(execution_id=key, name="a", size=1, digest="d", location="s3://b/a")])

    def away(locations: Sequence[str]) -> None:
        raise OSError("the bucket is away")

    with pytest.raises(OSError, match="away"):
        Retention(store, RetentionSettings(artifact_days=0), away).round()
    assert present(store, [key]) == [key]
    assert left(store, "artifact") == 1


def test_batches_shrink_while_they_take_long_and_grow_again() -> None:
    pace = Pace(500)
    pace.took(20, 0.1)
    assert pace.size == 10
    for _ in range(20):
        pace.took(pace.size, 0.000_001 * pace.size)
    assert pace.size == 500


def test_writers_go_on_while_much_is_forgotten(store: Database, files: Files) -> None:
    """The longest a write waits beside a purge of 3,000 trees is a fraction of what the purge takes."""
    stored(store, *(an_execution() for _ in range(3000)))
    settings = RetentionSettings(pause_seconds=0.001)
    purger = threading.Thread(target=Retention(store, settings, files.remove).round)
    purger.start()
    longest = 0.0
    writes = 0
    while purger.is_alive():
        at = now()
        with store.write() as tx:
            audit.record(tx, [AuditEntry(verb="v", kind="k")])
        longest = max(longest, (now() - at).total_seconds())
        writes += 1
    assert left(store, "execution") == 0
    assert writes > 50
    assert longest < 0.25


#: The index that each search must use.
INDEXES = {
    "executions": ("ix_execution_over", retention.old_executions),
    "events": ("uq_event_id", retention.old_events),
    "rejected": ("ix_rejected_event_at", retention.old_rejected),
    "audit": ("ix_audit_at", retention.old_audit),
    "artifacts": ("ix_artifact_created_at", artifacts.old),
    "keys": ("ix_key_value_expire_timestamp", retention.expired_keys),
    "tokens": ("ix_token_expires_at", retention.expired_tokens),
}


@pytest.mark.parametrize("kind", INDEXES)
def test_what_is_old_is_found_through_an_index(store: Database, kind: str) -> None:
    index, find = INDEXES[kind]
    plans = plans_of(store, lambda tx: find(tx, now(), 100))
    if store.dialect == "sqlite" and kind == "events":
        index = "sqlite_autoindex_event"
    assert any(index in plan for plan in plans), plans


def test_children_are_found_through_an_index(store: Database) -> None:
    plans = plans_of(store, lambda tx: list(retention._trees(tx, [new_id()])))
    assert any("ix_execution_parent" in plan or "uq_execution_task" in plan for plan in plans), plans


def plans_of(store: Database, read: object) -> list[str]:
    """The plans of the statements that ``read`` runs, with table scans made as dear as they are on large tables."""
    seen: list[tuple[str, Any]] = []
    with store.read() as tx:
        if store.dialect == "postgresql":
            tx.execute(text("SET LOCAL enable_seqscan = off"))

        def note(connection, cursor, statement, parameters, context, many) -> None:
            seen.append((statement, parameters))

        event.listen(store.engine, "before_cursor_execute", note)
        read(tx)  # type: ignore[operator]
        event.remove(store.engine, "before_cursor_execute", note)
        explain = "EXPLAIN QUERY PLAN" if store.dialect == "sqlite" else "EXPLAIN"
        return [
            "\n".join(
                str(tuple(row))
                for row in tx.connection.cursor().execute(f"{explain} {statement}", parameters)
            )
            for statement, parameters in seen
        ]
