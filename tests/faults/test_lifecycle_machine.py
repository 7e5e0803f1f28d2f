"""Executions asked for, claimed, lost, canceled, tried again and forgotten, in any order (guarantees 3, 4, 5 and 7).

Hypothesis chooses the order; after every step the store must keep to the limits and the legal moves, and at the end
everything that was asked for must be able to end. With ``ST_OPS_FAULT_SEED`` the orders are others each time, and
``ST_OPS_FAULT_EXAMPLES`` says how many.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
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

_CHOICE = {name: value for name, value in os.environ.items() if name.startswith("ST_OPS_FAULT_")}

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
        self.starts: list[float] = []
        #: Time has passed, and nobody has looked since who became due.
        self.unswept = False

    @initialize(actions=st.lists(st.sampled_from(ACTIONS), min_size=3, max_size=15))
    def begin(self, actions: list[str]) -> None:
        """An empty store, and then some work under way."""
        self.bench.clear()
        self.hands += [self.bench.hire(), self.bench.hire()]
        for action in actions:
            self.bench.request(action)
        self._claim(0, 6)
        self._claim(1, 3)

    # --- asking ---

    @rule(
        action=st.sampled_from(ACTIONS),
        lane=st.sampled_from("aab"),
        priority=st.sampled_from([None, None, 5]),
        delay=st.sampled_from([0, 0, 0, 300_000]),
        count=st.integers(1, 3),
        claimed=st.booleans(),
    )
    def ask(
        self, action: str, lane: str, priority: int | None, delay: int, count: int, claimed: bool
    ) -> None:
        for _ in range(count):
            self.bench.request(action, parameters={"lane": lane}, priority=priority, delay=delay)
        if claimed:
            self._claim(0, 6)

    @rule(key=st.sampled_from("xyz"), action=st.sampled_from(["m.queued", "m.plain"]))
    def ask_by_key(self, key: str, action: str) -> None:
        first, second = (self.bench.request(action, run_key=key) for _ in range(2))
        assert first.id == second.id

    @rule(which=WHICH, heeded=st.booleans())
    def cancel(self, which: int, heeded: bool) -> None:
        known = list(self.bench.all())
        if known:
            self._as_person(self.bench.platform.orders.cancel, known[which % len(known)])
        if heeded:
            for hand in self.hands:
                self._heed(hand)

    @precondition(lambda self: self._flows())
    @rule(which=WHICH, pausing=st.booleans())
    def pause_or_resume(self, which: int, pausing: bool) -> None:
        orders = self.bench.platform.orders
        flow = self._flows()[which % len(self._flows())]
        self._as_person(orders.pause if pausing else orders.resume, flow)

    # --- working ---

    @rule(which=WHICH, limit=st.integers(1, 6))
    def claim(self, which: int, limit: int) -> None:
        self._claim(which, limit)

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

    # --- dying ---

    @rule(which=WHICH, noticed=st.booleans(), claimed=st.booleans())
    def lose(self, which: int, noticed: bool, claimed: bool) -> None:
        """A worker is gone, and another one comes."""
        hand = self.hands.pop(which % len(self.hands))
        self.late += hand.runs
        self.bench.lose(hand)
        if noticed:
            self.bench.reap()
        self.hands.append(self.bench.hire())
        if claimed:
            self._claim(-1, 6)

    @precondition(lambda self: self.late)
    @rule(which=WHICH, end=ENDS)
    def report_late(self, which: int, end: Status) -> None:
        """What was lost with a worker was not, or not yet."""
        run = self.late.pop(which % len(self.late))
        before = self.bench.all().get(run.id)
        done = self.bench.report(run, end)
        if before is None or before.worker_id != run.worker_id or before.status not in RUNS:
            assert done.refused
            assert before == self.bench.all().get(run.id)

    # --- time, and what engines do in it ---

    @rule(seconds=st.sampled_from([1.0, 6.0, 31.0, 301.0]), swept=st.booleans())
    def pass_time(self, seconds: float, swept: bool) -> None:
        self.bench.pass_time(seconds)
        self.unswept = True
        if swept:
            self._sweep()

    @rule(what=st.sampled_from(["sweep", "reap", "conduct", "conduct", "lose_engine", "forget", "hire"]))
    def tend(self, what: str) -> None:
        bench = self.bench
        if what == "sweep":
            self._sweep()
        elif what == "hire":
            if len(self.hands) < 3:
                self.hands.append(bench.hire())
        else:
            acts = {"reap": bench.reap, "conduct": bench.conduct, "lose_engine": bench.lose_engine}
            acts.get(what, bench.forget)()

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
            if entry.status is Status.DELAYED and entry.retries:
                assert not any(mine.values()), f"{entry} rests and keeps its slots"
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
            self._as_person(bench.platform.orders.resume, flow)
        bench.conduct()
        for hand in self.hands:
            for run in bench.claim(hand, 50):
                self._started(run)
            self._heed(hand)
            for run in hand.runs:
                bench.report(run, Status.SUCCEEDED)
            hand.runs.clear()
        bench.conduct()

    # --- helpers ---

    def _claim(self, which: int, limit: int) -> None:
        for run in self.bench.claim(self.hands[which % len(self.hands)], limit):
            self._started(run)

    def _sweep(self) -> None:
        self.bench.sweep()
        self.unswept = False

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
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    for name in _CHOICE:
        # The platform takes them for settings that it does not know.
        monkeypatch.delenv(name)
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
        max_examples=int(_CHOICE.get("ST_OPS_FAULT_EXAMPLES", examples)),
        # The same examples each time, unless others are asked for.
        derandomize="ST_OPS_FAULT_SEED" not in _CHOICE,
        stateful_step_count=40,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(OnThisBench, settings=chosen)
