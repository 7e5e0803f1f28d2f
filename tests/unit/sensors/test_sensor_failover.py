"""Containers in processes of their own: what becomes of sensors when one dies or loses its lease."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from st_ops.model.identity import new_id
from st_ops.model.sensors import Phase
from st_ops.store import workers
from tests.unit.sensors.stage import Stage, is_alive
from tests.waiting import eventually

#: Seconds; long enough for a loaded machine to extend it in time.
LEASE = 2.0

BEAT = """
    import os
    from st_ops.sdk import poll

    @poll(every=0.05)
    def watch(ctx):
        ctx.emit("seen", {"n": os.getpid()})
"""


class ContainerProcess:
    """One container in a process of its own."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.sensors.container_process", str(home), str(LEASE)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
        )  # fmt: skip

    def next_sensor(self, seconds: float = 30) -> int:
        """Wait for the pid of a sensor that has begun to run; 0 when none does in time."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        return int(self._process.stdout.readline() or 0) if ready else 0

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path, lease_seconds=LEASE)
    yield made
    made.close()


@pytest.fixture
def containers(stage: Stage) -> Iterator[list[ContainerProcess]]:
    """Two containers on one store."""
    stage.sensor("beat", BEAT, poll_interval=0.05)
    made = [ContainerProcess(stage.home) for _ in range(2)]
    yield made
    for each in made:
        each.close()


def test_one_container_runs_the_sensor_and_the_other_takes_over_after_sigkill(stage, containers):
    first = eventually(lambda: [payload["n"] for payload in stage.payloads()], deadline=30)[0]
    # By now the other one has asked for the lease as well, and was refused.
    holder = next(each for each in containers if each.next_sensor(LEASE) == first)
    (other,) = [each for each in containers if each is not holder]
    assert {payload["n"] for payload in stage.payloads()} == {first}

    killed_at = time.monotonic()
    holder.signal(signal.SIGKILL)
    eventually(lambda: not is_alive(first), deadline=2, what="the death of the killed container's sensor")
    second = other.next_sensor()
    assert second not in (0, first)
    assert time.monotonic() - killed_at < 3 * LEASE
    eventually(lambda: stage.payloads()[-1]["n"] == second)
    pids = [payload["n"] for payload in stage.payloads()]
    assert pids == sorted(pids, key=[first, second].index), "both ran at the same time"


def test_a_container_that_closes_hands_over_without_waiting_for_the_lease(stage, containers):
    first = eventually(lambda: [payload["n"] for payload in stage.payloads()], deadline=30)[0]
    holder = next(each for each in containers if each.next_sensor(LEASE) == first)
    (other,) = [each for each in containers if each is not holder]
    holder.close()
    assert not is_alive(first)
    assert other.next_sensor() not in (0, first)


def test_a_container_that_was_frozen_past_its_lease_ends_its_sensor_at_once(stage, containers):
    first = eventually(lambda: [payload["n"] for payload in stage.payloads()], deadline=30)[0]
    holder = next(each for each in containers if each.next_sensor(LEASE) == first)
    (other,) = [each for each in containers if each is not holder]
    holder.signal(signal.SIGSTOP)
    second = other.next_sensor()
    assert second
    holder.signal(signal.SIGCONT)
    eventually(lambda: not is_alive(first), deadline=2, what="the end of the frozen container's sensor")
    assert is_alive(second)


def test_a_lost_lease_ends_the_sensor_and_is_taken_back_later(stage):
    stage.sensor("beat", BEAT, poll_interval=0.05)
    stage.container()
    pid = stage.running("demo.beat")
    thief = new_id()

    def steal() -> bool:
        with stage.database.write() as tx:
            workers.release_leases(tx, stage.containers[0].id)
            return workers.take_lease(tx, "sensor/demo.beat", thief, 1.0) is not None

    assert steal()
    eventually(lambda: stage.state("demo.beat").phase is Phase.ELSEWHERE)
    assert not is_alive(pid)
    stage.running("demo.beat", but=pid)
    assert stage.state("demo.beat").restarts == 0


def test_a_sensor_dies_with_its_container_even_when_it_ignores_the_end_of_its_channel(stage):
    stage.sensor(
        "deaf",
        """
        import os, signal, threading
        from st_ops.sdk import sensor

        @sensor()
        def watch(ctx):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            ctx.emit("seen", {"n": os.getpid()})
            while True:
                threading.Event().wait(1)
        """,
    )
    container = ContainerProcess(stage.home)
    pid = container.next_sensor()
    assert is_alive(pid)
    container.signal(signal.SIGKILL)
    eventually(lambda: not is_alive(pid), deadline=2)
    container.close()
    assert os.getpid() != pid
