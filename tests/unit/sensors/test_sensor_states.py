"""How sensors are can be seen from any process: their container tells the store, and takes back what is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from st_ops.api.sensor_types import state_of
from st_ops.model.identity import now
from st_ops.model.sensors import Phase, SensorState
from st_ops.store import sensors
from st_ops.store.schema import sensor_state
from tests.unit.sensors.stage import Stage
from tests.waiting import eventually

WATCH = """\
    from st_ops.sdk import sensor


    @sensor
    def watch(ctx):
        ctx.emit("seen", {"n": 1})
        ctx.wait(1000)
"""
BROKEN = "def nothing():\n    pass\n"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path, lease_seconds=1.5)
    yield made
    made.close()


def _told(stage: Stage) -> dict[str, SensorState]:
    with stage.database.read() as tx:
        return {ref: state for ref, (state, _, _) in sensors.find(tx).items()}


def test_the_store_is_told_of_running_and_broken_sensors_and_forgets_them_at_the_end(stage: Stage) -> None:
    stage.sensor("good", WATCH)
    stage.sensor("bad", BROKEN)
    container = stage.container()
    pid = stage.running("demo.good")

    def both_told() -> bool:
        found = _told(stage)
        assert set(found) == {"demo.good", "demo.bad"}
        assert (found["demo.good"].phase, found["demo.good"].pid) == (Phase.RUNNING, pid)
        assert found["demo.good"].events == 1
        assert found["demo.bad"].reason
        return True

    eventually(both_told)
    with stage.database.read() as tx:
        assert sensors.count_by_phase(tx, now() - timedelta(seconds=60))[Phase.RUNNING.value] == 1
    container.close()
    assert _told(stage) == {}


def test_a_state_of_which_its_container_no_longer_tells_is_called_lost(stage: Stage) -> None:
    state = SensorState(ref="demo.good", phase=Phase.RUNNING, pid=7, events=3)
    with stage.database.write() as tx:
        sensors.put(tx, [state], "0" * 24, "host7", now())
    with stage.database.read() as tx:
        told = sensors.find(tx)["demo.good"]
    assert state_of(told, 15)["phase"] == "running"
    assert (state_of(told, 15)["pid"], state_of(told, 15)["host"]) == (7, "host7")
    with stage.database.write() as tx:
        tx.execute(update(sensor_state).values(updated_at=now() - timedelta(seconds=16)))
        told = sensors.find(tx)["demo.good"]
        assert sensors.count_by_phase(tx, now() - timedelta(seconds=15)) == {}
    lost = state_of(told, 15)
    assert (lost["phase"], lost["host"]) == ("lost", "host7")
    assert "its container on host7 has been silent since" in lost["reason"]
    assert state_of(None, 15) == {"phase": "not running"}
