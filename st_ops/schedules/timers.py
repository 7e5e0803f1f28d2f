"""StackStorm's timers: when each is due. Pure: no store, bus or clock.

Slots are moments that follow from the timer's parameters alone, so every node computes the same ones, also after a
restart. An interval counts from Monday 1970-01-05 00:00 in the timer's time zone, in whole intervals of real time:
every 15 minutes means at :00, :15, :30 and :45, every day at midnight (an hour later while summer time is on).
StackStorm counts from the start of its timer service, so that a restart shifts or skips slots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from dateutil import parser as dates

from st_ops.errors import InvalidInput

INTERVAL = "core.st2.IntervalTimer"
DATE = "core.st2.DateTimer"
CRON = "core.st2.CronTimer"
TIMER_TYPES = (INTERVAL, DATE, CRON)

_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_CRON_FIELDS = ("year", "month", "day", "week", "day_of_week", "hour", "minute", "second")
#: The smallest step between two moments.
_TICK = timedelta(microseconds=1)


class _Trigger(Protocol):
    def get_next_fire_time(self, previous: datetime | None, moment: datetime) -> datetime | None: ...


@dataclass(frozen=True, kw_only=True)
class Timer:
    """One timer trigger: its ref and parameters, and APScheduler's trigger that computes its slots."""

    ref: str
    type: str
    parameters: Mapping[str, Any]
    trigger: _Trigger

    def next(self, after: datetime) -> datetime | None:
        """The first slot later than ``after``, in UTC; None when there is none any more."""
        slot = self.trigger.get_next_fire_time(None, after + _TICK)
        # A date's trigger gives its date whatever the time is.
        return slot.astimezone(UTC) if slot is not None and slot > after else None

    def last(self, after: datetime, until: datetime) -> datetime | None:
        """The latest slot later than ``after`` and not later than ``until``, in UTC; None when there is none."""
        # Looks back in doubling steps, so that a long time of many slots is not walked through one by one.
        reach = timedelta(seconds=1)
        slot = None
        while slot is None or slot > until:
            start = max(after, until - reach)
            slot = self.next(start)
            if start == after and (slot is None or slot > until):
                return None
            reach *= 2
        while (later := self.next(slot)) is not None and later <= until:
            slot = later
        return slot


def timer_of(ref: str, type_ref: str, parameters: Mapping[str, Any], default_zone: str = "UTC") -> Timer:
    """The timer of a trigger of one of TIMER_TYPES. Raises InvalidInput naming the parameter that is wrong."""
    zone = _zone(parameters.get("timezone") or default_zone)
    build = {INTERVAL: _interval, DATE: _date, CRON: _cron}[type_ref]
    return Timer(ref=ref, type=type_ref, parameters=parameters, trigger=build(parameters, zone))


def _zone(name: Any) -> tzinfo:
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise InvalidInput(
            f"'{name}' is not a time zone; expected a name like Europe/Berlin.", where="timezone"
        ) from exc


def _interval(parameters: Mapping[str, Any], zone: tzinfo) -> _Trigger:
    unit, delta = parameters.get("unit"), parameters.get("delta")
    if unit not in _UNITS:
        raise InvalidInput(f"'unit' must be one of {', '.join(_UNITS)}, not {unit!r}.", where="unit")
    # The rules of packs often carry numbers as text.
    try:
        count = int(str(delta))
    except ValueError:
        count = 0
    if count < 1:
        raise InvalidInput(f"'delta' must be a whole number above 0, not {delta!r}.", where="delta")
    try:
        trigger = IntervalTrigger(
            **{unit: count}, start_date=datetime(1970, 1, 5, tzinfo=zone), timezone=zone
        )
    except OverflowError as exc:
        raise InvalidInput(f"{count} {unit} is more than a timer can count.", where="delta") from exc
    return trigger  # type: ignore[no-any-return]


def _date(parameters: Mapping[str, Any], zone: tzinfo) -> _Trigger:
    given = parameters.get("date")
    try:
        moment = given if isinstance(given, datetime) else dates.parse(str(given))
    except (ValueError, OverflowError) as exc:
        raise InvalidInput(f"'date' must be a date and time, not {given!r}.", where="date") from exc
    return DateTrigger(moment, timezone=zone)  # type: ignore[no-any-return]


def _cron(parameters: Mapping[str, Any], zone: tzinfo) -> _Trigger:
    fields = {name: parameters[name] for name in _CRON_FIELDS if parameters.get(name) is not None}
    if not fields:
        # APScheduler, and StackStorm with it, would fire every second.
        raise InvalidInput(
            f"A cron timer needs at least one of {', '.join(_CRON_FIELDS)}.", where="parameters"
        )
    for name, value in fields.items():
        try:
            CronTrigger(**{name: value}, timezone=zone)
        except (ValueError, TypeError) as exc:
            raise InvalidInput(
                f"'{name}' is not what APScheduler's cron understands: {exc}.", where=name
            ) from exc
    return CronTrigger(**fields, timezone=zone)  # type: ignore[no-any-return]
