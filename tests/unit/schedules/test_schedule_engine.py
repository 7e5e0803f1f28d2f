"""The schedule engine on a real store, with a clock the test turns."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from st_ops.bus.kombu_bus import KombuBus
from st_ops.errors import Unavailable
from st_ops.intake.accept import Intake
from st_ops.model.bells import Bell, Topic
from st_ops.model.events import Accepted, NewEvent, TriggerInstance, trigger_ref_for
from st_ops.model.resources import Rule, RuleAction, RuleTrigger
from st_ops.packs.catalog import Catalog
from st_ops.schedules.engine import ScheduleEngine
from st_ops.schedules.timers import CRON, DATE, INTERVAL
from st_ops.settings import Settings
from st_ops.store import events, key_values, migrate, registry
from st_ops.store.database import Database
from tests.waiting import eventually

MINUTELY = {"minute": "*"}
NOON = datetime(2024, 6, 1, 12, 0, 30, tzinfo=UTC)


class Stage:
    """A store and a bus, rules with timers, engines, and a clock."""

    def __init__(self, home: Path) -> None:
        self.moment = NOON
        self.looks = threading.Condition()
        self.settings = Settings(home=home, bus={"sweep_seconds": 0.02}, schedules={"catch_up_seconds": 60})
        self.database = Database(f"sqlite:///{home / 'st_ops.db'}", synchronous="normal")
        migrate.upgrade(self.database)
        self.bus = KombuBus("memory://", namespace=f"schedules-{home.name}")
        self.bus.open()
        self.intakes: list[Intake] = []
        self.engines: list[ScheduleEngine] = []

    def engine(self, intake_class: type[Intake] = Intake) -> ScheduleEngine:
        """One more node, with a catalog and intake of its own."""
        catalog = Catalog(self.database)
        intake = intake_class(self.database, self.bus, catalog)
        intake.open()
        made = ScheduleEngine(self.database, self.bus, catalog, intake, self.settings, lambda: self.moment)
        made.open()
        self.intakes.append(intake)
        self.engines.append(made)
        return made

    def close(self) -> None:
        for engine in self.engines:
            engine.close()
        for intake in self.intakes:
            intake.close()
        self.bus.close()
        self.database.close()

    def rule(self, name: str, kind: str, enabled: bool = True, **parameters: Any) -> str:
        """Register a rule on a timer; the trigger's ref."""
        rule = Rule(
            pack="demo", name=name, enabled=enabled, trigger=RuleTrigger(type=kind, parameters=parameters),
            action=RuleAction(ref="core.noop"),
        )  # fmt: skip
        with self.database.write() as tx:
            registry.put(tx, [(rule, "")])
        self.bus.publish(Bell(topic=Topic.REGISTRY_CHANGED))
        return trigger_ref_for(kind, parameters)

    def events(self, ref: str) -> list[TriggerInstance]:
        with self.database.read() as tx:
            return events.find(tx, trigger=ref, limit=1000)[0][::-1]

    def slots(self, ref: str) -> list[str]:
        """Nominal times, without the date."""
        return [event.payload["nominal_time"][11:19] for event in self.events(ref)]

    def known(self, ref: str) -> bool:
        """True once every engine knows the timer."""
        return all(ref in {state.ref for state in engine.states()} for engine in self.engines)

    def advance(self, **span: float) -> None:
        self.moment += timedelta(**span)

    def settle(self) -> None:
        """Wait until every engine has taken all slots up to the present moment."""

        def settled() -> bool:
            states = [state for engine in self.engines for state in engine.states() if not state.problem]
            return all(state.next_slot is None or state.next_slot > self.moment for state in states)

        eventually(settled)
        # What an engine has submitted is stored when its intake closes; until then, wait for the commit.
        eventually(lambda: all(self._stored(engine) for engine in self.engines))

    def _stored(self, engine: ScheduleEngine) -> bool:
        return all(
            state.last_slot is None or f"{state.last_slot:%H:%M:%S}" in self.slots(state.ref)
            for state in engine.states()
        )


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def test_a_slot_is_one_event_with_its_nominal_time(stage):
    ref = stage.rule("minutely", CRON, **MINUTELY)
    engine = stage.engine()
    eventually(lambda: stage.known(ref))
    assert stage.slots(ref) == []
    stage.advance(seconds=31)
    event = eventually(lambda: stage.events(ref))[0]
    assert event.payload["executed_at"] == "2024-06-01T12:01:01.000000Z"
    assert event.payload["schedule"] == MINUTELY
    assert event.payload["nominal_time"] == "2024-06-01T12:01:00.000000Z"
    assert event.delivery == f"timer/{ref}/2024-06-01T12:01:00.000000Z"
    assert event.source == "timer CronTimer"
    state = engine.states()[0]
    assert state.rules == ("demo.minutely",)
    assert state.next_slot == datetime(2024, 6, 1, 12, 2, tzinfo=UTC)


def test_many_nodes_fire_every_slot_exactly_once(stage):
    ref = stage.rule("often", INTERVAL, unit="seconds", delta=10)
    for _ in range(3):
        stage.engine()
    eventually(lambda: stage.known(ref))
    for _ in range(12):
        stage.advance(seconds=5)
        stage.settle()
    assert stage.slots(ref) == ["12:00:40", "12:00:50", "12:01:00", "12:01:10", "12:01:20", "12:01:30"]


def test_after_a_downtime_only_the_last_missed_slot_fires_when_it_is_young(stage):
    young = stage.rule("minutely", CRON, **MINUTELY)
    old = stage.rule("ten", CRON, minute="*/10")
    first = stage.engine()
    eventually(lambda: stage.known(young))
    stage.settle()
    first.close()
    stage.engines.remove(first)
    stage.advance(minutes=14)
    stage.engine()
    eventually(lambda: stage.known(young))
    stage.settle()
    assert stage.slots(young) == ["12:14:00"]
    assert stage.slots(old) == []


def test_a_restart_fires_no_slot_again(stage):
    ref = stage.rule("minutely", CRON, **MINUTELY)
    first = stage.engine()
    eventually(lambda: stage.known(ref))
    stage.advance(seconds=31)
    stage.settle()
    first.close()
    stage.engines.remove(first)
    stage.engine()
    eventually(lambda: stage.known(ref))
    stage.settle()
    assert stage.slots(ref) == ["12:01:00"]


def test_slots_from_before_the_rule_or_while_it_was_disabled_were_not_missed(stage):
    stage.engine()
    ref = stage.rule("minutely", CRON, **MINUTELY)
    eventually(lambda: stage.known(ref))
    stage.settle()
    assert stage.slots(ref) == []
    stage.rule("minutely", CRON, enabled=False, **MINUTELY)
    eventually(lambda: not stage.known(ref))
    stage.advance(seconds=40)
    stage.rule("minutely", CRON, **MINUTELY)
    eventually(lambda: stage.known(ref))
    stage.settle()
    assert stage.slots(ref) == []


def test_a_timer_that_no_rule_wants_leaves_nothing_behind(stage):
    ref = stage.rule("minutely", CRON, **MINUTELY)
    stage.engine()
    eventually(lambda: stage.known(ref))

    def kept() -> list[str]:
        with stage.database.read() as tx:
            return [row.name for row in key_values.find(tx, scope="st_ops.schedule")]

    assert kept() == [f"armed/{ref}"]
    stage.rule("minutely", CRON, enabled=False, **MINUTELY)
    eventually(lambda: kept() == [])


def test_a_date_in_the_past_does_not_fire_and_one_to_come_fires_once(stage):
    past = stage.rule("past", DATE, date="2024-06-01T12:00:00Z")
    soon = stage.rule("soon", DATE, date="2024-06-01T12:01:00Z")
    stage.engine()
    eventually(lambda: stage.known(soon))
    stage.advance(seconds=31)
    stage.settle()
    stage.advance(hours=1)
    stage.settle()
    assert stage.slots(past) == []
    assert stage.slots(soon) == ["12:01:00"]


def test_a_wrong_timer_is_shown_with_its_problem_and_stops_no_other(stage):
    bad = stage.rule("bad", CRON, hour=25)
    good = stage.rule("good", CRON, **MINUTELY)
    engine = stage.engine()
    eventually(lambda: stage.known(good))
    stage.advance(seconds=31)
    eventually(lambda: stage.slots(good) == ["12:01:00"])
    problems = {state.ref: state.problem for state in engine.states()}
    assert "'hour' is not what APScheduler's cron understands" in problems[bad]
    assert problems[good] == ""


def test_two_rules_on_one_timer_share_its_event(stage):
    ref = stage.rule("one", CRON, **MINUTELY)
    assert stage.rule("two", CRON, **MINUTELY) == ref
    engine = stage.engine()
    eventually(lambda: stage.known(ref))
    stage.advance(seconds=31)
    stage.settle()
    assert stage.slots(ref) == ["12:01:00"]
    assert engine.states()[0].rules == ("demo.one", "demo.two")


class Interrupted(Intake):
    """An intake whose store is away for the first tries."""

    tries = 0

    def accept(self, event: NewEvent) -> Future[Accepted]:
        self.tries += 1
        if self.tries == 1:
            raise Unavailable("store", "it is away")
        if self.tries == 2:
            failed: Future[Accepted] = Future()
            failed.set_exception(Unavailable("store", "it went away meanwhile"))
            return failed
        return super().accept(event)


def test_a_slot_that_the_store_did_not_take_is_emitted_again(stage):
    ref = stage.rule("minutely", CRON, **MINUTELY)
    stage.engine(Interrupted)
    eventually(lambda: stage.known(ref))
    stage.advance(seconds=31)
    eventually(lambda: stage.slots(ref) == ["12:01:00"])


def test_real_time_is_kept(tmp_path):
    stage = Stage(tmp_path)
    catalog = Catalog(stage.database)
    intake = Intake(stage.database, stage.bus, catalog)
    engine = ScheduleEngine(stage.database, stage.bus, catalog, intake, stage.settings)
    ref = stage.rule("secondly", INTERVAL, unit="seconds", delta=1)
    intake.open()
    engine.open()
    found = eventually(lambda: stage.events(ref)[:2] if len(stage.events(ref)) >= 2 else [])
    engine.close()
    intake.close()
    stage.close()
    for event in found:
        nominal = datetime.fromisoformat(event.payload["nominal_time"])
        late = datetime.fromisoformat(event.payload["executed_at"]) - nominal
        assert timedelta() <= late < timedelta(seconds=1)
