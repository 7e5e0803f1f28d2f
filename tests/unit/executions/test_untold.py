"""That a run began is told a little later, unless its end can be told by then."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from st_ops.executions import untold
from st_ops.executions.lifecycle import Bells
from st_ops.executions.untold import Untold
from st_ops.model.bells import Bell, Topic
from st_ops.model.status import Status
from tests.unit.executions.platform import Stages
from tests.waiting import eventually


def told(waiting: Untold, bells: Bells) -> list[str]:
    waiting.tell(bells)
    return bells.changed


def test_what_began_waits_for_its_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Untold()
    assert waiting.seconds() == math.inf
    monkeypatch.setattr(untold, "_LINGER_SECONDS", 3600)
    waiting.add(["a", "b"])
    assert 3590 < waiting.seconds() <= 3600
    assert told(waiting, Bells()) == []
    monkeypatch.setattr(untold, "_LINGER_SECONDS", 0)
    assert told(waiting, Bells(changed=["other"])) == ["other", "a", "b"]
    assert (told(waiting, Bells()), waiting.seconds()) == ([], math.inf)


def test_of_what_has_ended_only_the_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untold, "_LINGER_SECONDS", 0)
    waiting = Untold()
    waiting.add(["a", "b"])
    assert told(waiting, Bells(finished=["a"])) == ["b"]


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


@pytest.fixture
def stages(tmp_path: Path, gate: Path) -> Iterator[Stages]:
    cmd = f"while [ ! -e {gate} ]; do sleep 0.01; done"
    action = f"name: a\nrunner_type: local-shell-cmd\nparameters:\n  cmd:\n    default: {cmd!r}\n"
    made = Stages(tmp_path, {"actions/a.yaml": action}, bus={"sweep_seconds": 60})
    yield made
    gate.touch()
    made.close()


def test_a_worker_tells_of_a_run_that_goes_on_without_being_asked(stages: Stages, gate: Path) -> None:
    heard: list[Bell] = []
    first = stages.ask("t.a")
    subscription = stages.platform.bus.subscribe([Topic.EXECUTION_CHANGED], heard.append)
    # Claimed in the worker's own turn, since it runs something; from then on nothing happens that could wake it.
    second = stages.ask("t.a")
    stages.reached(second, Status.RUNNING)
    eventually(lambda: any(second.id in bell.ids for bell in heard), what="a bell that it began")
    subscription.close()
    gate.touch()
    stages.ended(first, second)
