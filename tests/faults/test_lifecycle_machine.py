"""Executions asked for, claimed, lost, canceled, tried again and forgotten, in any order (guarantees 3, 4, 5 and 7).

Hypothesis chooses the order; after every step the store must keep to the limits and the legal moves, and at the end
everything that was asked for must be able to end.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from st_ops.errors import IllegalMove, NotFound
from st_ops.model.executions import WORKFLOW_QUEUE, Execution
from st_ops.model.status import LEGAL_MOVES, Status
from tests.faults.lifecycle_bench import LIMITS, PACE, Bench, Hand

ACTIONS = ("m.plain", "m.again", *LIMITS, "m.paced", "m.flow")

Entries = Mapping[str, Execution]
Rows = Sequence[tuple[str, str, int, bool]]

#: Long enough for every pause of the pack ``m``.
LONG = 1000.0

#: Which of several is meant; counted modulo how many there are.
WHICH = st.integers(0, 1000)
ENDS = st.sampled_from([Status.SUCCEEDED, Status.FAILED, Status.TIMEOUT, Status.ABANDONED])
RUNS = frozenset({Status.RUNNING, Status.CANCELING})


def keys_of(entry: Execution) -> dict[str, int]:
    """The keys an execution is limited by."""
    return {
        key.format(entry.parameters.get("lane", "a")): limit
        for key, limit in LIMITS.get(entry.action, {}).items()
    }


def limit_of(key: str) -> int:
    """The limit of a key."""
    name = "lane {}" if key.startswith("lane ") else key
    return next(limits[name] for limits in LIMITS.values() if name in limits)


def is_due(entry: Execution) -> bool:
    """Whether it waits for nothing but slots: pauses and delays are so long that no example sees their end."""
    return (entry.ready_at - entry.created_at).total_seconds() < 1 and not entry.retries


class Shadow:
    """What the audit log says of every execution, followed entry by entry."""

    def __init__(self) -> None:
        self.seen = 0
        self.status: dict[str, Status] = {}
        self.tokens: dict[str, list[int]] = defaultdict(list)
        self.runs: Counter[str] = Counter()
        self.tries: Counter[str] = Counter()

    def follow(self, rows: list[Any]) -> None:
        """Take note of what was added. Each move must be legal, each claim must bring a new token."""
        for row in rows:
            self.seen = row.seq
            if row.verb not in list(Status):
                continue
            status, before = Status(row.verb), self.status.get(row.subject_id)
            if before is Status.REQUESTED and row.detail.get("from") == Status.DELAYED:
                # It had to wait from the beginning.
                before = Status.DELAYED
            if before is None:
                assert status is Status.REQUESTED, row
            else:
                assert status in LEGAL_MOVES[before], f"{before} → {row}"
            self.status[row.subject_id] = status
            if status is Status.DELAYED or (before is Status.PENDING and status is Status.REQUESTED):
                # A retry policy asks for another run, or a probe says that the one before had no effect.
                self.tries[row.subject_id] += 1
            if status is Status.RUNNING and "token" in row.detail:
                self.runs[row.subject_id] += 1
                tokens = self.tokens[row.subject_id]
                assert not tokens or row.detail["token"] > tokens[-1], row
                tokens.append(row.detail["token"])


class Lifecycles(RuleBasedStateMachine):
    """One store, up to three workers, one workflow engine at a time."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench
        self.hands: list[Hand] = []
        self.late: list[Execution] = []
        self.shadow = Shadow()
        self.asked: list[str] = []
        self.starts: list[float] = []
        #: Time has passed, and nobody has looked since who became due.
        self.unswept = False

    @initialize()
    def begin(self) -> None:
        self.bench.clear()

    # --- asking ---

    @rule(
        action=st.sampled_from(ACTIONS),
        lane=st.sampled_from("ab"),
        priority=st.sampled_from([None, None, 5]),
        delay=st.sampled_from([0, 0, 0, 300_000]),
        count=st.integers(1, 3),
    )
    def ask(self, action: str, lane: str, priority: int | None, delay: int, count: int) -> None:
        for _ in range(count):
            entry = self.bench.request(action, parameters={"lane": lane}, priority=priority, delay=delay)
            self.asked.append(entry.id)

    @rule(key=st.sampled_from("xyz"), action=st.sampled_from(["m.queued", "m.plain"]))
    def ask_by_key(self, key: str, action: str) -> None:
        first, second = (self.bench.request(action, run_key=key) for _ in range(2))
        assert first.id == second.id
        self.asked.append(first.id)

    @precondition(lambda self: self.asked)
    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        self._as_person(self.bench.platform.requests.cancel, self._one(which))

    @precondition(lambda self: self._flows())
    @rule(which=WHICH)
    def pause(self, which: int) -> None:
        self._as_person(self.bench.platform.requests.pause, self._flows()[which % len(self._flows())])

    @precondition(lambda self: self._flows())
    @rule(which=WHICH)
    def resume(self, which: int) -> None:
        self._as_person(self.bench.platform.requests.resume, self._flows()[which % len(self._flows())])

    # --- working ---

    @precondition(lambda self: len(self.hands) < 3)
    @rule()
    def hire(self) -> None:
        self.hands.append(self.bench.hire())

    @precondition(lambda self: self.hands)
    @rule(which=WHICH, limit=st.integers(1, 6))
    def claim(self, which: int, limit: int) -> None:
        for run in self.bench.claim(self.hands[which % len(self.hands)], limit):
            self._started(run)

    @precondition(lambda self: self._runs())
    @rule(which=WHICH, end=ENDS, answer=st.booleans())
    def report(self, which: int, end: Status, answer: bool) -> None:
        hand, run = self._runs()[which % len(self._runs())]
        hand.runs.remove(run)
        self.bench.report(run, end, answer=answer)

    @precondition(lambda self: self._runs())
    @rule(which=WHICH)
    def hand_back(self, which: int) -> None:
        hand, run = self._runs()[which % len(self._runs())]
        if run.idempotent:
            hand.runs.remove(run)
            done = self.bench.report(run, Status.REQUESTED)
            if done.refused and run.id in self.bench.canceling(hand):
                self.bench.report(run, Status.CANCELED)

    @precondition(lambda self: self.hands)
    @rule(which=WHICH)
    def heed(self, which: int) -> None:
        self._heed(self.hands[which % len(self.hands)])

    @rule()
    def conduct(self) -> None:
        self.bench.conduct()

    # --- dying ---

    @precondition(lambda self: self.hands)
    @rule(which=WHICH)
    def lose(self, which: int) -> None:
        hand = self.hands.pop(which % len(self.hands))
        self.late += hand.runs
        self.bench.lose(hand)

    @precondition(lambda self: self.late)
    @rule(which=WHICH, end=ENDS)
    def report_late(self, which: int, end: Status) -> None:
        run = self.late.pop(which % len(self.late))
        before = self.bench.all().get(run.id)
        done = self.bench.report(run, end)
        if before is None or before.token != run.token:
            assert done.refused
            assert before == self.bench.all().get(run.id)

    @rule()
    def reap(self) -> None:
        self.bench.reap()

    @rule()
    def lose_engine(self) -> None:
        self.bench.lose_engine()

    # --- time ---

    @rule(seconds=st.sampled_from([1.0, 6.0, 31.0, 301.0]))
    def pass_time(self, seconds: float) -> None:
        self.bench.pass_time(seconds)
        self.unswept = True

    @rule()
    def sweep(self) -> None:
        self.bench.sweep()
        self.unswept = False

    @rule()
    def forget(self) -> None:
        self.bench.forget()

    # --- what must hold ---

    @invariant()
    def all_is_well(self) -> None:
        self.shadow.follow(self.bench.audited(self.shadow.seen))
        entries, rows = self.bench.all(), self.bench.slots()
        self._assert_moves_are_recorded(entries)
        self._assert_nothing_is_repeated(entries)
        self._assert_limits_hold(entries, rows)
        self._assert_slots_belong_to_what_is_unfinished(entries, rows)
        if not self.unswept:
            self._assert_whoever_has_room_is_admitted(entries, rows)
        count, seconds = PACE
        for earlier, later in zip(self.starts, self.starts[count:], strict=False):
            assert later - earlier >= seconds - 0.001, f"the rate is exceeded: {self.starts}"

    def _assert_moves_are_recorded(self, entries: Entries) -> None:
        for entry in entries.values():
            recorded = self.shadow.status[entry.id]
            # What has to wait from the beginning is requested in the log, and delayed in the store.
            waits = (Status.REQUESTED, Status.DELAYED)
            assert entry.status is recorded or (recorded, entry.status) == waits, entry

    def _assert_nothing_is_repeated(self, entries: Entries) -> None:
        for entry in entries.values():
            if not entry.idempotent and entry.queue != WORKFLOW_QUEUE:
                assert self.shadow.runs[entry.id] <= 1 + self.shadow.tries[entry.id], entry
            assert entry.retries <= (2 if entry.action == "m.retried" else 0)

    def _assert_limits_hold(self, entries: Entries, rows: Rows) -> None:
        admitted = Counter(key for _, key, _, is_admitted in rows if is_admitted)
        running = Counter(key for entry in entries.values() if entry.status in RUNS for key in keys_of(entry))
        for key, count in (*admitted.items(), *running.items()):
            assert count <= limit_of(key), f"{count} under {key}"

    def _assert_slots_belong_to_what_is_unfinished(self, entries: Entries, rows: Rows) -> None:
        held: dict[str, dict[str, bool]] = defaultdict(dict)
        for identifier, key, limit, admitted in rows:
            held[identifier][key] = admitted
            assert limit == limit_of(key)
        for entry in entries.values():
            mine = held.pop(entry.id, {})
            expected = {} if entry.status.terminal else keys_of(entry)
            assert mine.keys() == expected.keys(), entry
            if entry.status in RUNS:
                assert all(mine.values()), f"{entry} runs without its slots"
        assert not held, "there are slots of executions that are forgotten"

    def _assert_whoever_has_room_is_admitted(self, entries: Entries, rows: Rows) -> None:
        admitted = Counter(key for _, key, _, is_admitted in rows if is_admitted)
        for entry in entries.values():
            if entry.waits_for_slot and not entry.status.terminal and is_due(entry):
                full = [key for key, limit in keys_of(entry).items() if admitted[key] >= limit]
                assert full, entry

    def teardown(self) -> None:
        """Everything that is left can end."""
        for _round in range(40):
            if all(entry.status.terminal for entry in self.bench.all().values()):
                break
            self._work_on()
            self.all_is_well()
        left = [entry for entry in self.bench.all().values() if not entry.status.terminal]
        assert not left, left
        assert self.bench.slots() == []
        assert self.bench.usage() == {}

    def _work_on(self) -> None:
        bench = self.bench
        bench.pass_time(LONG)
        bench.reap()
        bench.sweep()
        for flow in self._flows():
            self._as_person(bench.platform.requests.resume, flow)
        bench.conduct()
        self.hands = self.hands or [bench.hire()]
        for hand in self.hands:
            for run in bench.claim(hand, 50):
                self._started(run)
            self._heed(hand)
            for run in hand.runs:
                bench.report(run, Status.SUCCEEDED)
            hand.runs.clear()
        bench.conduct()

    # --- helpers ---

    def _one(self, which: int) -> str:
        known = list(self.bench.all()) or self.asked
        return known[which % len(known)]

    def _flows(self) -> list[str]:
        found = self.bench.all().values()
        return [entry.id for entry in found if entry.queue == WORKFLOW_QUEUE and not entry.status.terminal]

    def _runs(self) -> list[tuple[Hand, Execution]]:
        return [(hand, run) for hand in self.hands for run in hand.runs]

    def _started(self, run: Execution) -> None:
        assert run.start_timestamp is not None
        if run.action == "m.paced":
            self.starts.append(run.start_timestamp.timestamp() + self.bench.skipped)

    def _heed(self, hand: Hand) -> None:
        canceling = self.bench.canceling(hand)
        for run in [run for run in hand.runs if run.id in canceling]:
            hand.runs.remove(run)
            self.bench.report(run, Status.CANCELED)

    def _as_person(self, ask: Callable[[str, str], Execution], identifier: str) -> None:
        try:
            ask(identifier, "ada")
        except (IllegalMove, NotFound):
            return


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    made = Bench(tmp_path, url)
    assert made.problems == []
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("bench", "examples"),
    [("sqlite", 60), ("postgresql", 15)],
    indirect=["bench"],
    ids=["sqlite", "postgresql"],
)
def test_in_any_order_limits_and_moves_are_kept_and_everything_can_end(bench: Bench, examples: int) -> None:
    class OnThisBench(Lifecycles):
        def __init__(self) -> None:
            super().__init__(bench)

    chosen = settings(
        max_examples=int(os.environ.get("LM_EXAMPLES", examples)), stateful_step_count=40, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), print_blob=True, phases=[Phase.generate],
    )  # fmt: skip
    run_state_machine_as_test(OnThisBench, settings=chosen)
