"""What becomes of a run whose sandbox is killed: again, or unknown; never failed as if it had not happened."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from st_ops.model.executions import Execution
from st_ops.model.status import Status
from tests.unit.executions.platform import Stages
from tests.waiting import eventually


def action(idempotent: bool, cmd: str) -> str:
    return (
        f"name: a\nrunner_type: local-shell-cmd\nidempotent: {str(idempotent).lower()}\n"
        f"parameters:\n  cmd:\n    default: {cmd!r}\nretry:\n  count: 1\n"
    )


@pytest.fixture
def started(tmp_path: Path) -> Path:
    return tmp_path / "started"


@pytest.fixture
def stages(request: pytest.FixtureRequest, tmp_path: Path, started: Path) -> Iterator[Stages]:
    # The first run waits to be killed; every later one ends.
    cmd = f"echo $PPID >> {started}; [ $(wc -l < {started}) -gt 1 ] || sleep 60"
    made = Stages(tmp_path, {"actions/a.yaml": action(request.param, cmd)})
    yield made
    made.close()


def kill_the_sandbox(stages: Stages, started: Path) -> Execution:
    """Request the action, and kill the parent of its process."""
    asked = stages.ask("t.a")
    eventually(lambda: started.exists() and started.read_text().strip(), 10, "the action to begin")
    os.kill(int(started.read_text()), signal.SIGKILL)
    (done,) = stages.ended(asked)
    return done


@pytest.mark.parametrize("stages", [True], indirect=True)
def test_an_idempotent_action_whose_sandbox_is_killed_runs_again(stages: Stages, started: Path) -> None:
    done = kill_the_sandbox(stages, started)
    assert (done.status, done.attempt, done.retries) == (Status.SUCCEEDED, 2, 0)
    assert len(started.read_text().split()) == 2


@pytest.mark.parametrize("stages", [False], indirect=True)
def test_any_other_is_given_up_and_not_tried_again_like_a_failure(stages: Stages, started: Path) -> None:
    done = kill_the_sandbox(stages, started)
    assert (done.status, done.attempt) == (Status.ABANDONED, 1)
    assert done.reason.startswith("The process that watched over the run was lost: it was killed by SIGKILL.")
    assert done.reason.endswith("Whether it took effect is unknown.")
    assert len(started.read_text().split()) == 1
