"""Guarantee 6: a slot fires exactly once, while nodes are killed at random moments."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from st_ops.model.events import trigger_ref_for
from st_ops.model.resources import Rule, RuleAction, RuleTrigger
from st_ops.schedules.timers import INTERVAL
from st_ops.store import events, registry
from st_ops.store.database import Database
from tests.contract.stores import open_store
from tests.waiting import eventually

EVERY_SECOND = {"unit": "seconds", "delta": 1}
REF = trigger_ref_for(INTERVAL, EVERY_SECOND)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    yield from open_store(request.param, request, tmp_path)


class Nodes:
    """Processes that run the timers."""

    def __init__(self, url: str, home: Path) -> None:
        self._arguments = [sys.executable, "-m", "tests.faults.timer_node", url, str(home)]
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start one more and wait until it runs the timer."""
        node = subprocess.Popen(self._arguments, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)
        self.running.append(node)
        assert node.stdout is not None
        assert node.stdout.readline() == b"ready\n"

    def kill_oldest(self) -> None:
        node = self.running.pop(0)
        node.kill()
        node.wait()
        assert node.stdout is not None
        node.stdout.close()

    def close(self) -> None:
        while self.running:
            self.kill_oldest()


def slots(database: Database) -> list[datetime]:
    """Nominal times of the events stored, in the order of their acceptance."""
    with database.read() as tx:
        found = events.find(tx, trigger=REF, limit=1000)[0][::-1]
    return [datetime.fromisoformat(event.payload["nominal_time"]) for event in found]


@pytest.mark.slow
def test_no_slot_is_lost_or_doubled_while_nodes_are_killed(database, tmp_path):
    trigger = RuleTrigger(type=INTERVAL, parameters=EVERY_SECOND)
    rule = Rule(pack="demo", name="r", enabled=True, trigger=trigger, action=RuleAction(ref="core.noop"))
    with database.write() as tx:
        registry.put(tx, [(rule, "")])
    nodes = Nodes(database.url.render_as_string(hide_password=False), tmp_path)
    chance = random.Random(6)
    try:
        for _ in range(2):
            nodes.start()
        for _ in range(4):
            # One node dies at a random moment within a second, and another is started in its place.
            threading.Event().wait(chance.random())
            nodes.kill_oldest()
            nodes.start()
        eventually(lambda: len(slots(database)) >= 5, 30, "five slots")
    finally:
        nodes.close()
    found = slots(database)
    assert found == [found[0] + timedelta(seconds=n) for n in range(len(found))]
