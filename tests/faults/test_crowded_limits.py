"""Many at once ask, claim, end, cancel and sweep under the same few limits: none waits for ever, none gets too much."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from st_ops.errors import IllegalMove
from st_ops.model.status import Status
from st_ops.store.executions import Move
from tests.faults.lifecycle_bench import LIMITS, Bench, Hand

ACTIONS = [*LIMITS, "m.paced"]


@pytest.fixture(params=["sqlite", "postgresql"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    made = Bench(tmp_path, url)
    yield made
    made.close()


class Crowd:
    """What everyone does, and what everyone sees."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._lock = threading.Lock()
        self.asked: list[str] = []
        self.hands: list[Hand] = []

    def act(self, seed: int) -> None:
        """One of the crowd."""
        dice, hand = random.Random(seed), self._bench.hire()
        self.hands.append(hand)
        acts: list[Callable[[random.Random, Hand], None]] = [
            self._ask,
            self._ask,
            self._cancel,
            self._claim,
            self._end,
        ]
        for _ in range(100):
            dice.choice([*acts, self._look])(dice, hand)

    def _ask(self, dice: random.Random, hand: Hand) -> None:
        entry = self._bench.request(dice.choice(ACTIONS), parameters={"lane": dice.choice("ab")})
        with self._lock:
            self.asked.append(entry.id)

    def _cancel(self, dice: random.Random, hand: Hand) -> None:
        try:
            self._bench.platform.orders.cancel(dice.choice(self.asked), "ada")
        except (IllegalMove, IndexError):
            return

    def _claim(self, dice: random.Random, hand: Hand) -> None:
        self._bench.claim(hand, 4)

    def _end(self, dice: random.Random, hand: Hand) -> None:
        ends = [
            Move(execution_id=run.id, status=dice.choice([Status.SUCCEEDED, Status.FAILED]), token=run.token)
            for run in hand.runs
        ]
        hand.runs.clear()
        self._bench.platform.lifecycle.move(ends)

    def _look(self, dice: random.Random, hand: Hand) -> None:
        self._bench.sweep()
        for key, (admitted, _waiting, limit) in self._bench.usage().items():
            assert admitted <= limit, key


@pytest.mark.slow
def test_nobody_waits_for_ever_and_no_limit_is_exceeded(bench: Bench) -> None:
    crowd = Crowd(bench)
    with ThreadPoolExecutor(6) as people:
        # A deadlock would come out of here as a store that is not available.
        list(people.map(crowd.act, range(6)))
    # What they still had in hand is lost with them, and makes room.
    for hand in crowd.hands:
        bench.lose(hand)
    bench.reap()
    hand = bench.hire()
    for _round in range(400):
        bench.pass_time(1000)
        bench.sweep()
        for run in bench.claim(hand, 50):
            bench.report(run, Status.SUCCEEDED)
        if all(entry.status.terminal for entry in bench.all().values()):
            break
    assert [entry for entry in bench.all().values() if not entry.status.terminal] == []
    assert bench.slots() == []
