"""What every store must do, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import IntegrityError

from st_ops.errors import Conflict, NotFound, Unavailable, UserError
from st_ops.model.events import InstanceStatus, RuleEnforcement, TriggerInstance
from st_ops.model.executions import Execution, OutputLine, TaskIdentity
from st_ops.model.identity import new_id, now
from st_ops.model.records import AuditEntry, KeyValue, Token, Worker
from st_ops.model.resources import Action, Pack
from st_ops.model.status import LEGAL_MOVES, Status
from st_ops.store import (
    audit,
    claims,
    database,
    events,
    executions,
    history,
    key_values,
    outputs,
    registry,
    tasks,
    tokens,
    workers,
    workflow_log,
)
from st_ops.store.database import Database
from st_ops.store.executions import Move
from st_ops.store.group_commit import GroupCommit
from st_ops.store.migrate import upgrade
from st_ops.store.schema import metadata
from tests.contract.stores import open_store


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from open_store(request.param, request, tmp_path)


def an_execution(**fields: object) -> Execution:
    return Execution.model_validate({"action": "core.noop", "runner": "noop", **fields})


def a_worker(**fields: object) -> Worker:
    return Worker.model_validate({"host": "here", "pid": 1, "expires_at": now(), **fields})


def stored(store: Database, *entries: Execution) -> list[Execution]:
    with store.write() as tx:
        return executions.insert_new(tx, entries)


def claimed(store: Database, worker: str, limit: int = 10) -> list[Execution]:
    with store.write() as tx:
        return claims.claim(tx, worker, ["default"], [], limit)


def moved(store: Database, *moves: Move) -> list[str]:
    with store.write() as tx:
        return [done.refused for done in executions.move(tx, moves)]


def found(store: Database, identifier: str) -> Execution:
    with store.read() as tx:
        entry = executions.get(tx, identifier)
    assert entry is not None
    return entry


# Migrations


def test_the_migrations_make_exactly_the_tables_of_the_schema(store: Database) -> None:
    with store.read() as tx:
        context = MigrationContext.configure(tx, opts={"compare_type": False})
        # An index on an expression cannot be read back on SQLite; its use is tested by the claim's order.
        differences = [
            entry for entry in compare_metadata(context, metadata) if "ix_execution_ready" not in str(entry)
        ]
    assert differences == []


def test_upgrading_again_changes_nothing(store: Database) -> None:
    upgrade(store)


def test_a_store_of_a_newer_release_is_refused_with_what_to_do(store: Database) -> None:
    with store.write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(UserError, match=r"revision 9999.*Upgrade st_ops"):
        upgrade(store)


# Events


def test_a_delivery_is_stored_once_however_often_it_comes(store: Database) -> None:
    event = TriggerInstance(trigger="p.t", delivery="d1")
    with store.write() as tx:
        first, twin = events.insert_new(tx, [event, event.model_copy(update={"id": new_id()})])
    with store.write() as tx:
        (again,) = events.insert_new(tx, [event.model_copy(update={"id": new_id()})])
    assert (first.id, first.duplicate) == (event.id, False)
    assert (twin.id, twin.duplicate) == (again.id, again.duplicate) == (event.id, True)
    with store.read() as tx:
        kept = events.get(tx, event.id)
    assert kept is not None
    assert kept.repeats == 2


def test_a_delivery_accepted_by_many_at_once_is_stored_once(store: Database) -> None:
    gate = threading.Barrier(8)

    def accept() -> tuple[str, bool]:
        gate.wait()
        with store.write() as tx:
            (answer,) = events.insert_new(tx, [TriggerInstance(trigger="p.t", delivery="same")])
        return answer.id, answer.duplicate

    with ThreadPoolExecutor(8) as pool:
        answers = [future.result() for future in [pool.submit(accept) for _ in range(8)]]
    assert len({identifier for identifier, _ in answers}) == 1
    assert [duplicate for _, duplicate in answers].count(False) == 1


def test_pending_events_come_in_the_order_of_their_acceptance(store: Database) -> None:
    with store.write() as tx:
        for number in range(5):
            events.insert_new(tx, [TriggerInstance(trigger="p.t", payload={"n": number}, series="s")])
    mine = [events.partition_of("s", "p.t")]
    with store.read() as tx:
        assert [event.payload["n"] for event in events.pending(tx, mine, 3)] == [0, 1, 2]
        assert events.pending(tx, [(mine[0] + 1) % events.PARTITIONS], 3) == []
        assert events.count_pending(tx) == 5


def test_a_finished_event_is_no_longer_pending(store: Database) -> None:
    event = TriggerInstance(trigger="p.t")
    with store.write() as tx:
        events.insert_new(tx, [event])
        events.finish(tx, [event.id], InstanceStatus.PROCESSED)
    with store.read() as tx:
        assert events.pending(tx, None, 10) == []
        listed, total = events.find(tx, trigger="p.t", status="processed")
    assert ([entry.id for entry in listed], total) == ([event.id], 1)


def test_an_event_and_a_rule_make_one_enforcement(store: Database) -> None:
    entry = RuleEnforcement(rule_ref="p.r", trigger_instance_id=new_id(), execution_id=new_id())
    with store.write() as tx:
        events.insert_enforcements(tx, [entry])
    with pytest.raises(IntegrityError), store.write() as tx:
        events.insert_enforcements(tx, [entry.model_copy(update={"id": new_id()})])
    with store.read() as tx:
        assert events.enforced_pairs(tx, [entry.trigger_instance_id]) == {(entry.trigger_instance_id, "p.r")}
        assert events.find_enforcements(tx, rule_ref="p.r") == ([entry], 1)


# Claiming executions.


def test_an_execution_is_claimed_by_one_worker_only(store: Database) -> None:
    stored(store, *(an_execution() for _ in range(40)))
    names = [new_id() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        rounds = [pool.submit(claimed, store, name, 3) for _ in range(5) for name in names]
        taken = [entry.id for future in rounds for entry in future.result()]
    assert len(taken) == len(set(taken)) == 40


def test_a_claim_takes_higher_priority_and_then_older_first(store: Database) -> None:
    low, high, later = an_execution(), an_execution(priority=5), an_execution()
    stored(store, low, high, later)
    assert [entry.id for entry in claimed(store, new_id())] == [high.id, low.id, later.id]


def test_a_claim_leaves_other_queues_and_what_is_not_ready(store: Database) -> None:
    soon = now() + timedelta(hours=1)
    mine = an_execution()
    stored(store, mine, an_execution(queue="dmz"), an_execution(status=Status.DELAYED, ready_at=soon))
    assert [entry.id for entry in claimed(store, new_id())] == [mine.id]
    with store.read() as tx:
        assert not claims.any_ready(tx, ["default"])
        assert claims.any_ready(tx, ["default", "dmz"])


def test_a_claim_needs_the_labels_that_the_execution_needs(store: Database) -> None:
    stored(store, an_execution(needs=["region=tokyo"]))
    assert claimed(store, new_id()) == []
    with store.write() as tx:
        taken = claims.claim(tx, new_id(), ["default"], ["region=tokyo", "gpu=no"], 10)
    assert len(taken) == 1


def test_every_claim_gives_a_new_token_and_counts_the_attempt(store: Database) -> None:
    (entry,) = stored(store, an_execution())
    (first,) = claimed(store, new_id())
    assert moved(store, Move(execution_id=entry.id, status=Status.REQUESTED, token=first.token)) == [""]
    (second,) = claimed(store, new_id())
    assert second.token > first.token
    assert (first.attempt, second.attempt) == (1, 2)


# Moving executions.


@pytest.mark.parametrize("current", list(Status))
def test_only_the_legal_moves_are_made(store: Database, current: Status) -> None:
    for wanted in Status:
        (entry,) = stored(store, an_execution(status=current))
        (refused,) = moved(store, Move(execution_id=entry.id, status=wanted))
        assert (refused == "") == (wanted in LEGAL_MOVES[current])
        assert found(store, entry.id).status == (wanted if refused == "" else current)


def test_a_report_with_an_old_token_changes_nothing_and_is_audited(store: Database) -> None:
    (entry,) = stored(store, an_execution())
    (held,) = claimed(store, new_id())
    moved(store, Move(execution_id=entry.id, status=Status.REQUESTED))
    (refused,) = moved(
        store, Move(execution_id=entry.id, status=Status.SUCCEEDED, token=held.token, result=1)
    )
    assert "no longer valid" in refused
    assert found(store, entry.id).status is Status.REQUESTED
    with store.read() as tx:
        verbs = [line.verb for line in audit.find(tx, subject_id=entry.id, newest_first=False)]
    assert verbs == ["requested", "running", "requested", "refused"]


def test_a_second_report_of_an_end_is_refused(store: Database) -> None:
    stored(store, an_execution())
    (held,) = claimed(store, new_id())
    end = Move(execution_id=held.id, status=Status.SUCCEEDED, token=held.token, result={"a": 1})
    assert moved(store, end) == [""]
    assert "cannot become succeeded" in moved(store, end)[0]
    assert found(store, held.id).result == {"a": 1}


def test_two_moves_of_one_execution_in_one_batch_follow_each_other(store: Database) -> None:
    (entry,) = stored(store, an_execution(status=Status.RUNNING))
    wishes = [Move(execution_id=entry.id, status=status) for status in (Status.CANCELING, Status.CANCELED)]
    assert moved(store, *wishes) == ["", ""]
    assert found(store, entry.id).status is Status.CANCELED


def test_a_move_of_nothing_says_so(store: Database) -> None:
    (refused,) = moved(store, Move(execution_id="f" * 24, status=Status.CANCELED))
    assert refused == f"There is no execution {'f' * 24}."


def test_a_large_result_comes_back_whole_and_stays_out_of_lists(store: Database) -> None:
    large = {"text": "x" * 100_000, "nul": "\x00", "half": 0.5}
    (entry,) = stored(store, an_execution(status=Status.RUNNING))
    moved(store, Move(execution_id=entry.id, status=Status.SUCCEEDED, result=large))
    assert found(store, entry.id).result == large
    with store.read() as tx:
        (listed,) = history.find(tx, history.ExecutionFilter(action="core.noop"))
    assert listed.result is None
    assert listed.result_size > 100_000


def test_a_run_key_gives_the_execution_that_exists(store: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        wishes = [pool.submit(stored, store, an_execution(run_key="2026-01-01")) for _ in range(20)]
        ids = {entry.id for future in wishes for entry in future.result()}
    assert len(ids) == 1
    (other,) = stored(store, an_execution(action="core.local", run_key="2026-01-01"))
    assert other.id not in ids


def test_a_task_of_a_workflow_is_requested_once(store: Database) -> None:
    parent = new_id()
    task = TaskIdentity(key="create.r0.v1.a1", name="create")
    (first,) = stored(store, an_execution(parent_id=parent, task=task))
    (again,) = stored(store, an_execution(parent_id=parent, task=task))
    assert again.id == first.id
    assert again.task == task


# Executions: looking back


def test_lists_are_filtered_paged_and_counted(store: Database) -> None:
    root = an_execution(rule="p.r")
    child = an_execution(parent_id=root.id, root_id=root.id, action="core.local")
    grandchild = an_execution(parent_id=child.id, root_id=root.id)
    stored(store, root, child, grandchild)
    with store.read() as tx:
        roots = history.find(tx, history.ExecutionFilter(roots_only=True))
        page = history.find(tx, history.ExecutionFilter(), limit=1, offset=1)
        assert history.count(tx, history.ExecutionFilter(status=("requested",))) == 3
        below = history.descendants(tx, root.id)
        one_level = history.descendants(tx, root.id, depth=1)
        assert history.count_by_status(tx, ["requested", "running"]) == {"requested": 3}
        newest = history.last(tx)
    assert [entry.id for entry in roots] == [root.id]
    assert [entry.id for entry in page] == [child.id]
    assert [entry.id for entry in below] == [child.id, grandchild.id]
    assert [entry.id for entry in one_level] == [child.id]
    assert newest is not None
    assert newest.id == grandchild.id


def test_a_finished_child_is_noticed_once_by_the_engine_of_its_parent(store: Database) -> None:
    engine = new_id()
    parent = an_execution(status=Status.RUNNING, worker_id=engine)
    child = an_execution(status=Status.RUNNING, parent_id=parent.id)
    stored(store, parent, child)
    with store.read() as tx:
        assert tasks.unnoticed_children(tx, engine) == []
    moved(store, Move(execution_id=child.id, status=Status.FAILED))
    with store.write() as tx:
        assert [entry.id for entry in tasks.unnoticed_children(tx, engine)] == [child.id]
        assert tasks.unnoticed_children(tx, new_id()) == []
        tasks.mark_noticed(tx, [child.id])
        assert tasks.unnoticed_children(tx, engine) == []


# Workers and leases


def test_a_lapsed_worker_is_reaped_by_one_and_told_so(store: Database) -> None:
    worker = a_worker()
    with store.write() as tx:
        workers.register(tx, worker, lease_seconds=-1)
    with store.write() as tx:
        assert [entry.id for entry in workers.reap_lost(tx)] == [worker.id]
    with store.write() as tx:
        assert workers.reap_lost(tx) == []
        assert workers.heartbeat(tx, worker.id, 15) is False


def test_a_heartbeat_keeps_a_worker_alive(store: Database) -> None:
    worker = a_worker(queues=["default"], labels=["a=b"])
    with store.write() as tx:
        workers.register(tx, worker, lease_seconds=-1)
        assert workers.heartbeat(tx, worker.id, 15) is True
        assert workers.reap_lost(tx) == []
        assert workers.set_draining(tx, worker.id) is True
        (listed,) = workers.find(tx, "runner")
    assert (listed.draining, listed.labels) == (True, ["a=b"])


def test_what_a_vanished_worker_held_is_orphaned(store: Database) -> None:
    alive, gone = a_worker(), a_worker()
    stored(store, an_execution(), an_execution())
    with store.write() as tx:
        for worker in (alive, gone):
            workers.register(tx, worker, 15)
            claims.claim(tx, worker.id, ["default"], [], 1)
        workers.unregister(tx, gone.id)
    with store.read() as tx:
        assert [entry.worker_id for entry in workers.orphans(tx, workflows=False)] == [gone.id]
        assert [entry.worker_id for entry in workers.held(tx, alive.id)] == [alive.id]
        assert workers.count_held(tx) == {alive.id: 1, gone.id: 1}


def test_one_engine_adopts_the_workflow_of_a_lost_one(store: Database) -> None:
    lost, first, second = new_id(), new_id(), new_id()
    (entry,) = stored(store, an_execution(status=Status.RUNNING, worker_id=lost, token=1))
    with store.write() as tx:
        assert workers.adopt(tx, [entry.id], lost, first) == [entry.id]
        assert workers.adopt(tx, [entry.id], lost, second) == []
    assert found(store, entry.id).token == 2


def test_a_lease_is_held_by_one_until_it_lapses_and_its_token_grows(store: Database) -> None:
    one, two = new_id(), new_id()
    with store.write() as tx:
        assert workers.take_lease(tx, "rules/1", one, 15) == 1
        assert workers.take_lease(tx, "rules/1", two, 15) is None
        assert workers.take_lease(tx, "rules/1", one, -1) == 1
        assert workers.take_lease(tx, "rules/1", two, 15) == 2
        assert workers.holds_leases(tx, one, {"rules/1": 1}) is False
        assert workers.holds_leases(tx, two, {"rules/1": 2}) is True
        assert workers.leases(tx, "rules/") == {"rules/1": two}
        workers.release_leases(tx, two)
        assert workers.leases(tx, "rules/") == {}


# The rest


def test_a_workflow_log_is_read_back_in_order_and_never_written_twice(store: Database) -> None:
    workflow = new_id()
    with store.write() as tx:
        workflow_log.append(tx, workflow, 0, [("a", "", {"x": 1}), ("b", "k", {})])
    with pytest.raises(Conflict, match=r"Another engine"), store.write() as tx:
        workflow_log.append(tx, workflow, 1, [("c", "", {})])
    with store.read() as tx:
        assert workflow_log.read(tx, workflow) == [("a", "", {"x": 1}), ("b", "k", {})]


def test_output_is_kept_once_and_read_after_a_point(store: Database) -> None:
    run = new_id()
    lines = [OutputLine(execution_id=run, seq=number, data=f"{number}\n") for number in range(3)]
    with store.write() as tx:
        outputs.append(tx, lines)
        outputs.append(tx, lines[1:])
    with store.read() as tx:
        assert [line.data for line in outputs.find(tx, run, after_seq=0)] == ["1\n", "2\n"]


def test_the_registry_keeps_a_persons_choice_over_a_reload(store: Database) -> None:
    action = Action(pack="p", name="a", runner_type="noop")
    with store.write() as tx:
        registry.put_pack(tx, Pack(ref="p", name="p"), "d", [])
        registry.put(tx, [(action, "1")])
        before = registry.version(tx)
        registry.set_enabled(tx, "action", "p.a", enabled=False)
        registry.put(tx, [(action.model_copy(update={"description": "new"}), "2")])
        assert registry.version(tx) > before
    with store.read() as tx:
        kept = registry.action(tx, "p.a")
        assert registry.digests(tx, "p") == {("action", "p.a"): "2"}
        with pytest.raises(NotFound, match=r"There is no action 'p\.b'"):
            registry.action(tx, "p.b")
    assert (kept.enabled, kept.description) == (False, "new")


def test_a_key_value_is_replaced_found_by_prefix_and_expires(store: Database) -> None:
    with store.write() as tx:
        key_values.put(tx, [KeyValue(name="a.b", value="1"), KeyValue(name="a_b", value="2")])
        key_values.put(tx, [KeyValue(name="a.b", value="3")])
        key_values.put(tx, [KeyValue(name="old", value="x", expire_timestamp=now() - timedelta(seconds=1))])
    with store.write() as tx:
        assert [entry.value for entry in key_values.find(tx, prefix="a.")] == ["3"]
        assert key_values.get(tx, "old") is None
        assert key_values.remove(tx, "a.b") is True
        assert key_values.remove(tx, "a.b") is False


def test_an_expired_token_is_not_found(store: Database) -> None:
    with store.write() as tx:
        tokens.put(tx, Token(user="u", digest="1" * 64))
        tokens.put(tx, Token(user="u", digest="2" * 64, expires_at=now() - timedelta(seconds=1)))
    with store.read() as tx:
        assert tokens.by_digest(tx, "1" * 64) is not None
        assert tokens.by_digest(tx, "2" * 64) is None


def test_audit_entries_are_found_by_what_they_are_about(store: Database) -> None:
    with store.write() as tx:
        audit.record(tx, [AuditEntry(verb="a", kind="k", trace_id="t" * 24), AuditEntry(verb="b", kind="k")])
    with store.read() as tx:
        assert [entry.verb for entry in audit.find(tx, kind="k")] == ["b", "a"]
        assert [entry.verb for entry in audit.find(tx, trace_id="t" * 24)] == ["a"]


# Group commit


def test_concurrent_callers_share_commits_and_each_gets_its_own_answer(store: Database) -> None:
    batches: list[int] = []

    def write(tx: object, items: object) -> list[int]:
        assert isinstance(items, list)
        batches.append(len(items))
        return [item * 2 for item in items]

    commit: GroupCommit[int, int] = GroupCommit("test", store, write)
    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(commit.submit, number) for number in range(200)]
        commit.open()
        answers = [future.result().result(10) for future in waiting]
    commit.close()
    assert sorted(answers) == [number * 2 for number in range(200)]
    assert len(batches) < 200
    with pytest.raises(Unavailable):
        commit.submit(1)


def test_one_bad_item_does_not_fail_its_neighbours(store: Database) -> None:
    def write(tx: object, items: object) -> list[int]:
        assert isinstance(items, list)
        if 3 in items:
            raise ValueError("three")
        return items

    commit: GroupCommit[int, int] = GroupCommit("test", store, write)
    futures = [commit.submit(number) for number in range(6)]
    commit.open()
    assert [future.result(10) for future in futures if future is not futures[3]] == [0, 1, 2, 4, 5]
    with pytest.raises(ValueError, match="three"):
        futures[3].result(10)
    commit.close()


def test_who_waits_alone_writes_in_its_own_thread(store: Database) -> None:
    threads = []

    def write(tx: object, items: object) -> list[int]:
        threads.append(threading.current_thread())
        assert isinstance(items, list)
        if 3 in items:
            raise ValueError("three")
        return [item * 2 for item in items]

    commit: GroupCommit[int, int] = GroupCommit("test", store, write)
    assert commit.store(1) == 2
    assert threads == [threading.current_thread()]
    with pytest.raises(ValueError, match="three"):
        commit.store(3)
    assert commit.store(2) == 4
    commit.close()
    with pytest.raises(Unavailable):
        commit.store(4)


def test_batches_are_written_one_after_the_other_whoever_writes_them(store: Database) -> None:
    under_way = threading.Lock()
    batches: list[int] = []

    def write(tx: object, items: object) -> list[int]:
        assert isinstance(items, list)
        assert under_way.acquire(blocking=False)
        batches.append(len(items))
        under_way.release()
        return items

    commit: GroupCommit[int, int] = GroupCommit("test", store, write)
    with ThreadPoolExecutor(16) as pool:
        stored_ones = [pool.submit(commit.store, number) for number in range(0, 200, 2)]
        submitted = [pool.submit(commit.submit, number) for number in range(1, 200, 2)]
        answers = [one.result(10) for one in stored_ones] + [one.result(10).result(10) for one in submitted]
    commit.close()
    assert sorted(answers) == list(range(200))
    assert sum(batches) == 200


def test_what_fails_halfway_leaves_nothing(store: Database) -> None:
    def die_halfway() -> None:
        with store.write() as tx:
            executions.insert_new(tx, [an_execution()])
            raise RuntimeError("the process would die here")

    with pytest.raises(RuntimeError):
        die_halfway()
    with store.read() as tx:
        assert history.count(tx, history.ExecutionFilter()) == 0
        assert audit.find(tx) == []


def test_connections_that_ended_while_nobody_used_them_are_replaced_unnoticed(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = Database(postgres_url), Database(postgres_url)
    upgrade(store)

    def cut() -> None:
        with other.write() as tx:
            mine = "datname = current_database() AND pid <> pg_backend_pid()"
            tx.exec_driver_sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine}")

    with store.read() as one, store.read() as two:
        assert registry.version(one) == registry.version(two)
    cut()
    # Used a moment ago: it is not asked, and the transaction that finds out fails. The next one does not.
    with pytest.raises(Unavailable), store.read() as tx:
        registry.version(tx)
    with store.read() as tx:
        before = registry.version(tx)
    cut()
    monkeypatch.setattr(database, "_TRUSTED_SECONDS", 0.0)
    with store.read() as tx:
        assert registry.version(tx) == before
    store.close()
    other.close()


def test_one_change_leaves_the_same_audit_rows_as_many(store: Database) -> None:
    def lived(entries: list[Execution]) -> list[list[tuple[str, str, str, dict[str, object]]]]:
        ids = [entry.id for entry in stored(store, *entries)]
        with store.write() as tx:
            claimed = claims.claim(tx, new_id(), ["default"], (), len(ids), actor="a worker")
            ends = [
                Move(execution_id=entry.id, status=Status.FAILED, actor="a worker", reason="because", token=1)
                for entry in claimed
            ]
            assert not any(done.refused for done in executions.move(tx, ends))
        with store.read() as tx:
            found = {key: audit.find(tx, subject_id=key, newest_first=False) for key in ids}
        return [[(row.verb, row.actor, row.reason, row.detail) for row in found[key]] for key in ids]

    (alone,) = lived([an_execution()])
    assert [row[:3] for row in alone] == [
        ("requested", "system", ""), ("running", "a worker", ""), ("failed", "a worker", "because"),
    ]  # fmt: skip
    assert lived([an_execution() for _ in range(3)]) == [alone] * 3


def test_the_version_of_the_registry_is_read_anew_after_a_change_of_its_own(store: Database) -> None:
    with store.write() as tx:
        executions.insert_new(tx, [an_execution()])
        before = registry.version(tx)
        registry.put_pack(tx, Pack(ref="p", name="p"), "digest", [])
        assert registry.version(tx) == before + 1
