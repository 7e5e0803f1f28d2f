"""The engine of StackStorm's timers: one event per slot, whichever and however many nodes run it (guarantee 6).

Every node computes the same slots and emits each with the same delivery, ``timer/<trigger>/<nominal time>``; the
store keeps the first. So there is no leader to lose, and nothing to hand over.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from st_ops.bus.interface import Bus, Subscription
from st_ops.errors import InvalidInput, StOpsError, Unavailable
from st_ops.intake.accept import Intake
from st_ops.logs import facts
from st_ops.model.bells import Bell, Topic
from st_ops.model.events import Accepted, NewEvent, trigger_ref_for
from st_ops.model.identity import iso, now
from st_ops.packs.catalog import Catalog, Snapshot
from st_ops.schedules.armed import arm
from st_ops.schedules.timers import TIMER_TYPES, Timer, timer_of
from st_ops.settings import Settings
from st_ops.store.database import Database

log = logging.getLogger(__name__)

#: How late a running engine may come to a slot whatever ``schedules.catch_up_seconds`` says: no downtime, just load.
_LATE = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True)
class TimerState:
    """One timer as people see it. Times are UTC."""

    ref: str
    type: str
    parameters: Mapping[str, Any]
    #: Refs of the enabled rules that listen to it.
    rules: tuple[str, ...]
    next_slot: datetime | None = None
    #: The last slot this node emitted.
    last_slot: datetime | None = None
    #: Why it cannot fire, a sentence; "" when it can.
    problem: str = ""


@dataclass(kw_only=True)
class _Wanted:
    """One timer that rules ask for."""

    type: str
    parameters: Mapping[str, Any]
    rules: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class _Entry:
    """One timer under way: slots up to ``since`` are dealt with."""

    timer: Timer
    since: datetime
    next: datetime | None
    last: datetime | None = None


class ScheduleEngine:
    """Emits the events of timers from ``open`` to ``close``, in one thread."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        catalog: Catalog,
        intake: Intake,
        settings: Settings,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._database = database
        self._bus = bus
        self._catalog = catalog
        self._intake = intake
        self._zone = settings.schedules.timezone
        self._catch_up = timedelta(seconds=settings.schedules.catch_up_seconds)
        self._sweep_seconds = settings.bus.sweep_seconds
        self._clock = clock
        self._version = -1
        self._wanted: dict[str, _Wanted] = {}
        self._entries: dict[str, _Entry] = {}
        self._problems: dict[str, str] = {}
        #: Slots whose event the store did not take, the newest per timer.
        self._failed: dict[str, datetime] = {}
        self._wake = threading.Event()
        self._closing = False
        self._subscription: Subscription | None = None
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)

    def open(self) -> None:
        """Start emitting."""
        self._subscription = self._bus.subscribe([Topic.REGISTRY_CHANGED], self._on_change)
        self._thread.start()

    def close(self) -> None:
        """Stop. Idempotent."""
        if self._subscription is not None:
            self._subscription.close()
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def states(self) -> list[TimerState]:
        """Every timer that enabled rules ask for, by ref."""
        return [self._state(ref, wanted) for ref, wanted in sorted(self._wanted.items())]

    def _state(self, ref: str, wanted: _Wanted) -> TimerState:
        entry = self._entries.get(ref)
        return TimerState(
            ref=ref, type=wanted.type, parameters=wanted.parameters, rules=tuple(sorted(wanted.rules)),
            next_slot=entry.next if entry else None, last_slot=entry.last if entry else None,
            problem=self._problems.get(ref, ""),
        )  # fmt: skip

    def _on_change(self, bell: Bell) -> None:
        self._wake.set()

    def _run(self) -> None:
        while not self._closing:
            try:
                self._turn()
            except Exception:  # the edge of this loop: the next turn tries again
                log.exception("A turn of the schedules failed.")
            self._wake.wait(self._pause())
            self._wake.clear()

    def _turn(self) -> None:
        try:
            self._look()
        except Unavailable as exc:
            log.warning("The rules with timers cannot be looked up; those known go on: %s", exc)
        moment = self._clock()
        self._retry(moment)
        for entry in self._entries.values():
            self._step(entry, moment)

    def _look(self) -> None:
        """Learn from the registry which timers are wanted."""
        snapshot = self._catalog.current()
        if snapshot.version == self._version:
            return
        wanted = _wanted(snapshot)
        moment = self._clock()
        since = arm(self._database, wanted, moment)
        entries, problems = {}, {}
        for ref, each in wanted.items():
            try:
                entries[ref] = self._entries.get(ref) or self._enter(ref, each, since[ref], moment)
            except InvalidInput as exc:
                problems[ref] = str(exc)
                if self._problems.get(ref) != problems[ref]:
                    log.error("The timer of %s cannot fire. %s", ", ".join(each.rules), exc)
        self._wanted, self._entries, self._problems = wanted, entries, problems
        self._version = snapshot.version

    def _enter(self, ref: str, wanted: _Wanted, armed: datetime, moment: datetime) -> _Entry:
        """A timer from now on; slots missed in a downtime count as far back as the catch-up allows."""
        timer = timer_of(ref, wanted.type, wanted.parameters, self._zone)
        since = max(armed, moment - self._catch_up)
        return _Entry(timer=timer, since=since, next=timer.next(since))

    def _step(self, entry: _Entry, moment: datetime) -> None:
        """Emit the slot that is due; of several, as after a downtime, only the last."""
        if moment < entry.since - _LATE:
            # The clock was set back. What is emitted again on the way is dropped as a repeat.
            entry.since, entry.next = moment, entry.timer.next(moment)
        if entry.next is None or entry.next > moment:
            return
        since = max(entry.since, moment - max(self._catch_up, _LATE))
        slot = entry.timer.last(since, moment)
        if slot is None:
            log.warning("A slot was missed.", extra=facts(trigger=entry.timer.ref, slot=iso(entry.next)))
        else:
            entry.last = slot
            self._emit(entry.timer, slot)
        entry.since, entry.next = moment, entry.timer.next(moment)

    def _emit(self, timer: Timer, slot: datetime) -> None:
        event = NewEvent(
            trigger=timer.ref,
            payload={
                "executed_at": iso(self._clock()), "schedule": dict(timer.parameters), "nominal_time": iso(slot),
            },
            delivery=f"timer/{timer.ref}/{iso(slot)}",
            source=f"timer {timer.type.removeprefix('core.st2.')}",
        )  # fmt: skip
        try:
            accepted = self._intake.accept(event)
        except Unavailable as exc:
            self._fail(timer, slot, exc)
        except StOpsError as exc:
            log.error("A timer's event was refused: %s", exc, extra=facts(trigger=timer.ref, slot=iso(slot)))
        else:
            accepted.add_done_callback(lambda done: self._check(timer, slot, done))

    def _check(self, timer: Timer, slot: datetime, done: Future[Accepted]) -> None:
        exc = done.exception()
        if exc is not None:
            self._fail(timer, slot, exc)

    def _fail(self, timer: Timer, slot: datetime, exc: BaseException) -> None:
        log.warning(
            "A timer's event is not stored yet: %s", exc, extra=facts(trigger=timer.ref, slot=iso(slot))
        )
        self._failed[timer.ref] = max(slot, self._failed.get(timer.ref, slot))

    def _retry(self, moment: datetime) -> None:
        """Emit again what the store did not take, as long as it is not too late for it."""
        for ref in list(self._failed):
            slot = self._failed.pop(ref)
            entry = self._entries.get(ref)
            if entry is not None and moment - slot <= max(self._catch_up, _LATE):
                self._emit(entry.timer, slot)
            else:
                log.error("A slot was missed: no store.", extra=facts(trigger=ref, slot=iso(slot)))

    def _pause(self) -> float:
        """Seconds until the next slot, the sweep at the latest."""
        due = [entry.next for entry in self._entries.values() if entry.next is not None]
        if not due:
            return self._sweep_seconds
        return min(max((min(due) - self._clock()).total_seconds(), 0.0), self._sweep_seconds)


def _wanted(snapshot: Snapshot) -> dict[str, _Wanted]:
    """Trigger ref → the timer that enabled rules ask for."""
    found: dict[str, _Wanted] = {}
    for rule in snapshot.rules.values():
        if rule.enabled and rule.trigger.type in TIMER_TYPES:
            ref = trigger_ref_for(rule.trigger.type, rule.trigger.parameters)
            wanted = found.setdefault(
                ref, _Wanted(type=rule.trigger.type, parameters=rule.trigger.parameters)
            )
            wanted.rules.append(rule.ref)
    return found
