"""A lone request on an idle worker is claimed in the transaction that stores it, whatever becomes of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from st_ops.errors import Unavailable
from st_ops.executions import worker
from st_ops.executions.desk import Report
from st_ops.executions.running import Running
from st_ops.model.executions import Execution
from st_ops.model.status import Status
from st_ops.runners.base import Stop
from st_ops.store import history
from st_ops.store.database import Database, Tx
from tests.unit.executions.platform import Stages
from tests.waiting import eventually

_ACTION = """\
name: a
runner_type: local-shell-cmd
parameters:
  cmd:
    default: 'echo x >> "$RAN"; while [ ! -e "$GATE" ]; do sleep 0.01; done'
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    return tmp_path / "ran"


@pytest.fixture
def given(gate: Path, ran: Path) -> dict[str, dict[str, str]]:
    return {"env": {"GATE": str(gate), "RAN": str(ran)}}


@pytest.fixture
def stages(tmp_path: Path, gate: Path) -> Iterator[Stages]:
    # Sweeps stay away: what is found here is found by what the tests do.
    made = Stages(tmp_path, {"actions/a.yaml": _ACTION}, bus={"sweep_seconds": 60})
    yield made
    gate.touch()
    made.close()


def test_it_is_running_when_the_request_is_answered(
    stages: Stages, gate: Path, ran: Path, given: dict[str, dict[str, str]]
) -> None:
    asked = stages.ask("t.a", parameters=given)
    assert asked.status is Status.REQUESTED
    assert stages.get(asked.id).status is Status.RUNNING
    gate.touch()
    (done,) = stages.ended(asked)
    assert (done.status, done.attempt) == (Status.SUCCEEDED, 1)
    assert stages.verbs(asked) == ["requested", "running", "succeeded"]
    assert ran.read_text() == "x\n"


def test_a_worker_that_runs_something_claims_in_its_own_turn(
    stages: Stages, gate: Path, ran: Path, given: dict[str, dict[str, str]]
) -> None:
    first, second = stages.ask("t.a", parameters=given), stages.ask("t.a", parameters=given)
    stages.reached(second, Status.RUNNING)
    gate.touch()
    assert {done.status for done in stages.ended(first, second)} == {Status.SUCCEEDED}
    assert ran.read_text() == "x\nx\n"


@pytest.fixture
def break_commit(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets the connection to the store break once, "before" or "after" the next commit."""

    def arm(when: str) -> None:
        write, armed = Database.write, [when]

        @contextmanager
        def breaking(database: Database) -> Iterator[Tx]:
            with write(database) as tx:
                yield tx
                if armed == ["before"]:
                    raise Unavailable("store", f"it went away {armed.pop()} the commit")
            if armed:
                raise Unavailable("store", f"it went away {armed.pop()} the commit")

        monkeypatch.setattr(Database, "write", breaking)

    return arm


def test_a_commit_without_an_answer_is_run_once_all_the_same(
    stages: Stages,
    gate: Path,
    ran: Path,
    given: dict[str, dict[str, str]],
    break_commit: Callable[[str], None],
) -> None:
    gate.touch()
    break_commit("after")
    with pytest.raises(Unavailable, match="after the commit"):
        stages.ask("t.a", parameters=given)
    with stages.platform.database.read() as tx:
        (stored,) = history.find(tx, history.ExecutionFilter())
    (done,) = stages.ended(stored)
    assert (done.status, done.attempt) == (Status.SUCCEEDED, 1)
    assert ran.read_text() == "x\n"


def test_what_was_rolled_back_is_not_run_and_holds_up_nothing(
    stages: Stages,
    gate: Path,
    ran: Path,
    given: dict[str, dict[str, str]],
    break_commit: Callable[[str], None],
) -> None:
    gate.touch()
    break_commit("before")
    with pytest.raises(Unavailable, match="before the commit"):
        stages.ask("t.a", parameters=given)
    (done,) = stages.ended(stages.ask("t.a", parameters=given))
    assert done.status is Status.SUCCEEDED
    assert ran.read_text() == "x\n"


def test_an_action_that_needs_no_process_is_over_without_a_sweep(stages: Stages) -> None:
    for _ in range(5):
        (done,) = stages.ended(stages.ask("core.noop"))
        assert done.status is Status.SUCCEEDED
    runner = stages.platform.worker
    assert runner is not None
    eventually(lambda: runner.running() == [], 10, "the desk to be empty")


@pytest.mark.timeout(50)
@pytest.mark.parametrize(("change", "status"), [
    ({"cwd": "/"}, Status.SUCCEEDED), ({"cwd": "/nowhere"}, Status.FAILED),
])  # fmt: skip
def test_the_answer_waits_for_the_begin_of_the_run_and_no_longer(
    stages: Stages,
    gate: Path,
    given: dict[str, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str],
    status: Status,
) -> None:
    monkeypatch.setattr(worker, "_PATIENCE_SECONDS", 100)
    asked = stages.ask("t.a", parameters={**given, **change})
    assert stages.get(asked.id).status in (Status.RUNNING, status)
    gate.touch()
    (done,) = stages.ended(asked)
    assert done.status is status


def test_the_answer_does_not_wait_for_a_run_that_is_long_in_coming(
    stages: Stages, gate: Path, given: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Running.run

    def late(self: Running, execution: Execution, stop: Stop, worker_id: str) -> Report:
        eventually(gate.exists, 20, "the test to go on")
        return run(self, execution, stop, worker_id)

    monkeypatch.setattr(Running, "run", late)
    asked = stages.ask("t.a", parameters=given)
    assert stages.get(asked.id).status is Status.RUNNING
    gate.touch()
    assert stages.ended(asked)[0].status is Status.SUCCEEDED
