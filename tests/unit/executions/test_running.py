from __future__ import annotations

from pathlib import Path

import pytest

from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.runners.base import Console, Job, Stop
from st_ops.runners.noop import NoopRunner
from tests.unit.executions.platform import Stages

_FILES = {"actions/nothing.yaml": "name: nothing\nrunner_type: noop\nenabled: true\n"}


def test_a_result_that_cannot_be_recorded_fails_the_run_and_frees_its_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Unspeakable:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    def run(self: NoopRunner, job: Job, console: Console, stop: Stop) -> Outcome:
        return Outcome(status=Status.SUCCEEDED, result=Unspeakable())

    monkeypatch.setattr(NoopRunner, "run", run)
    stages = Stages(tmp_path, _FILES, worker={"slots": 1})

    over = stages.ended(stages.ask("t.nothing"), stages.ask("t.nothing"))

    assert [entry.status for entry in over] == [Status.FAILED, Status.FAILED]
    assert over[0].reason == "the result of this run (succeeded) cannot be recorded: RuntimeError: no words"
    stages.close()
