"""Containers through the whole platform; the engine is a stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from st_ops.model.status import Status
from tests.unit.executions.platform import Stages
from tests.unit.runners.fake_engine import FakeEngine
from tests.waiting import eventually

_FILES = {
    "actions/contained.yaml": """
name: contained
runner_type: container
limits: {memory_mb: 64}
parameters:
  image: {default: alpine, immutable: true}
  word: {type: string, secret: true}
  env: {default: {WORD: "{{ word }}"}}
  cmd: {default: 'echo "$WORD"'}
"""
}


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return FakeEngine(tmp_path / "engine")


@pytest.fixture
def stages(tmp_path: Path, engine: FakeEngine) -> Iterator[Stages]:
    stages = Stages(tmp_path, _FILES, containers={"engine": str(engine.program)})
    assert stages.problems == []
    yield stages
    stages.close()


def test_a_container_gets_its_limits_and_its_secret_is_masked(stages: Stages, engine: FakeEngine):
    (over,) = stages.ended(stages.ask("t.contained", parameters={"word": "open sesame"}))

    assert (over.status, over.result["stdout"]) == (Status.SUCCEEDED, "********"), over.reason
    assert engine.ran["variables"]["WORD"] == "open sesame"
    # The action's own limit, and one of the settings.
    assert (engine.option("--memory"), engine.option("--pids-limit")) == (["67108864b"], ["1000"])
    assert engine.containers == []


def test_a_canceled_container_is_removed(stages: Stages, engine: FakeEngine):
    waiting = stages.ask("t.contained", parameters={"cmd": "while :; do sleep 0.1; done"})
    eventually(lambda: engine.containers)

    stages.platform.orders.cancel(waiting.id, "ada")

    (over,) = stages.ended(waiting)
    assert over.status is Status.CANCELED
    assert engine.containers == []
