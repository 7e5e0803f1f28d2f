"""A worker whose commits are answered by silence, and whose records fail: nothing is left lying, nothing runs twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from st_ops.errors import Unavailable
from st_ops.executions.desk import Report
from st_ops.executions.worker import Worker
from st_ops.model.executions import Execution
from st_ops.model.status import Status
from st_ops.store import claims, executions
from st_ops.store.database import Database, Tx
from st_ops.store.executions import Move
from tests.unit.executions.platform import Stages
from tests.waiting import eventually


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    return tmp_path / "ran"


@pytest.fixture
def stages(tmp_path: Path, ran: Path) -> Iterator[Stages]:
    cmd = f'echo x >> {ran}; while [ -n "$GATE" ] && [ ! -e "$GATE" ]; do sleep 0.01; done'
    action = f"name: a\nrunner_type: local-shell-cmd\nparameters:\n  cmd:\n    default: {cmd!r}\n"
    made = Stages(tmp_path, {"actions/a.yaml": action}, worker={"heartbeat_seconds": 0.1})
    yield made
    made.close()


def worker_of(stages: Stages) -> Worker:
    assert stages.platform.worker is not None
    return stages.platform.worker


def test_what_was_claimed_in_a_commit_without_an_answer_is_run_once(
    stages: Stages, ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[str] = []
    write = Database.write

    @contextmanager
    def silent(database: Database) -> Iterator[Tx]:
        with write(database) as tx:
            before = executions.get(tx, asked.id) if asked else None
            yield tx
            after = executions.get(tx, asked.id) if asked else None
        if not lost and before and after and before.status is not after.status is Status.RUNNING:
            lost.append(after.id)
            raise Unavailable("store", "the connection broke during the commit")

    asked: Execution | None = None
    stages.drain()
    asked = stages.ask("t.a")
    monkeypatch.setattr(Database, "write", silent)
    stages.drain(False)

    (done,) = stages.ended(asked)
    assert lost == [asked.id]
    assert (done.status, done.attempt) == (Status.SUCCEEDED, 1)
    assert ran.read_text() == "x\n"


def test_what_turns_out_to_be_claimed_long_after_the_look_is_run_once(stages: Stages, ran: Path) -> None:
    worker = worker_of(stages)
    stages.drain()
    asked = stages.ask("t.a")
    # As when the store commits what it seemed to have lost.
    with stages.platform.database.write() as tx:
        claims.claim(tx, worker.membership.id, ["default"], (), 1)
    (done,) = stages.ended(asked)
    assert (done.status, done.attempt) == (Status.SUCCEEDED, 1)
    assert ran.read_text() == "x\n"


def test_what_was_claimed_without_an_answer_and_then_canceled_does_not_begin(
    stages: Stages, ran: Path
) -> None:
    worker = worker_of(stages)
    stages.drain()
    asked = stages.ask("t.a")
    with stages.platform.database.write() as tx:
        claims.claim(tx, worker.membership.id, ["default"], (), 1)
        executions.move(tx, [Move(execution_id=asked.id, status=Status.CANCELING, actor="ada")])
    (done,) = stages.ended(asked)
    assert done.status is Status.CANCELED
    assert not ran.exists()


def test_a_record_that_fails_holds_up_no_other(
    stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, record, reports = worker_of(stages), Worker._record, worker_of(stages)._desk.reports
    failures: list[Exception] = [RuntimeError("not in a batch"), Unavailable("store", "it is away")]

    def failing(self: Worker, tx: Tx, some: Sequence[Report], bells: object) -> list[str]:
        if some and failures and (len(some) > 1 or len(failures) == 1):
            raise failures.pop(0)
        return record(self, tx, some, bells)  # type: ignore[arg-type]

    def all_at_once() -> list[Report]:
        return reports() if len(worker._desk._reports) == 3 or len(failures) < 2 else []

    monkeypatch.setattr(Worker, "_record", failing)
    monkeypatch.setattr(worker._desk, "reports", all_at_once)
    gate = tmp_path / "gate"
    asked = [stages.ask("t.a", parameters={"env": {"GATE": str(gate)}}) for _ in range(3)]
    for entry in asked:
        stages.reached(entry, Status.RUNNING)
    gate.touch()
    assert {entry.status for entry in stages.ended(*asked)} == {Status.SUCCEEDED}
    assert failures == []
    eventually(lambda: worker.running() == [], 10, "the desk to be empty")


def test_a_runner_this_worker_does_not_have_fails_the_run_and_holds_up_no_other(stages: Stages) -> None:
    unknown = Execution(action="t.a", runner="teleporter")
    with stages.platform.database.write() as tx:
        executions.insert_new(tx, [unknown])
    gone, done = stages.ended(unknown, stages.ask("t.a"))
    assert (gone.status, done.status) == (Status.FAILED, Status.SUCCEEDED)
    assert "teleporter" in gone.reason
