"""When timers are due: tables of moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from st_ops.errors import InvalidInput
from st_ops.schedules.timers import CRON, DATE, INTERVAL, Timer, timer_of

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots(timer: Timer, after: datetime, count: int) -> list[str]:
    """The next ``count`` slots as text in Berlin, where offsets tell summer from winter."""
    found = []
    for _ in range(count):
        slot = timer.next(after)
        if slot is None:
            break
        found.append(slot.astimezone(BERLIN).isoformat())
        after = slot
    return found


@pytest.mark.parametrize(
    ("parameters", "after", "expected"),
    [
        ({"unit": "seconds", "delta": 10}, "2024-01-01T00:00:01", "2024-01-01T00:00:10"),
        ({"unit": "minutes", "delta": "15"}, "2024-01-01T00:00:00", "2024-01-01T00:15:00"),
        ({"unit": "hours", "delta": 6}, "2024-01-01T07:00:00", "2024-01-01T12:00:00"),
        ({"unit": "days", "delta": 1}, "2024-01-01T07:00:00", "2024-01-02T00:00:00"),
        (
            {"unit": "days", "delta": 1, "timezone": "Asia/Tokyo"},
            "2024-01-01T07:00:00",
            "2024-01-01T15:00:00",
        ),
        # 2024-01-01 was a Monday.
        ({"unit": "weeks", "delta": 1}, "2024-01-01T00:00:00", "2024-01-08T00:00:00"),
    ],
)
def test_an_interval_is_aligned_to_the_clock(parameters, after, expected):
    assert timer_of("t", INTERVAL, parameters).next(at(after)) == at(expected)


def test_an_interval_of_seven_seconds_is_the_same_on_every_node_and_has_no_gaps():
    timer = timer_of("t", INTERVAL, {"unit": "seconds", "delta": 7})
    again = timer_of("t", INTERVAL, {"unit": "seconds", "delta": 7})
    first = timer.next(at("2024-01-01T00:00:00"))
    assert first is not None
    assert again.next(first - timedelta(seconds=1)) == first
    assert again.next(first) == first + timedelta(seconds=7)


def test_a_date_fires_once_in_its_time_zone():
    timer = timer_of("t", DATE, {"date": "2024-07-01 12:00", "timezone": "Europe/Berlin"})
    assert timer.next(at("2024-01-01T00:00:00")) == at("2024-07-01T10:00:00")
    assert timer.next(at("2024-07-01T10:00:00")) is None


def test_cron_in_spring_moves_what_falls_into_the_gap():
    timer = timer_of("t", CRON, {"hour": 2, "minute": 30, "timezone": "Europe/Berlin"})
    assert slots(timer, at("2024-03-30T00:00:00"), 3) == [
        "2024-03-30T02:30:00+01:00",
        "2024-03-31T03:30:00+02:00",
        "2024-04-01T02:30:00+02:00",
    ]


def test_cron_in_autumn_fires_in_both_of_the_doubled_hours():
    # As APScheduler has it, so StackStorm too.
    timer = timer_of("t", CRON, {"hour": 2, "minute": 30, "timezone": "Europe/Berlin"})
    assert slots(timer, at("2024-10-26T12:00:00"), 3) == [
        "2024-10-27T02:30:00+02:00",
        "2024-10-27T02:30:00+01:00",
        "2024-10-28T02:30:00+01:00",
    ]


def test_cron_counts_weekdays_from_monday_and_takes_names():
    by_number = timer_of("t", CRON, {"day_of_week": 0, "hour": 9})
    by_name = timer_of("t", CRON, {"day_of_week": "mon", "hour": "9"})
    assert by_number.next(at("2024-01-03T00:00:00")) == at("2024-01-08T09:00:00")
    assert by_name.next(at("2024-01-03T00:00:00")) == at("2024-01-08T09:00:00")


def test_a_date_that_never_comes_is_never_due():
    assert timer_of("t", CRON, {"month": 2, "day": 30}).next(at("2024-01-01T00:00:00")) is None


@pytest.mark.parametrize(
    ("after", "until", "expected"),
    [
        ("2024-01-01T00:00:00", "2024-01-01T00:59:59", None),
        ("2024-01-01T00:00:00", "2024-01-01T01:00:00", "2024-01-01T01:00:00"),
        ("2024-01-01T00:00:00", "2024-01-05T17:59:59", "2024-01-05T17:00:00"),
        ("2024-01-01T01:00:00", "2024-01-01T01:00:00", None),
        ("2023-01-01T00:00:00", "2024-01-01T00:30:00", "2024-01-01T00:00:00"),
    ],
)
def test_the_last_slot_of_a_span(after, until, expected):
    timer = timer_of("t", CRON, {"minute": 0})
    assert timer.last(at(after), at(until)) == (at(expected) if expected else None)


@pytest.mark.parametrize(
    ("kind", "parameters", "where"),
    [
        (INTERVAL, {"unit": "fortnights", "delta": 1}, "unit"),
        (INTERVAL, {"unit": "days"}, "delta"),
        (INTERVAL, {"unit": "days", "delta": 0}, "delta"),
        (INTERVAL, {"unit": "weeks", "delta": 10**12}, "delta"),
        (DATE, {"date": "soon"}, "date"),
        (DATE, {}, "date"),
        (CRON, {"hour": 25}, "hour"),
        (CRON, {"minute": "often"}, "minute"),
        (CRON, {}, "parameters"),
        (CRON, {"hour": 1, "timezone": "Mars/Olympus"}, "timezone"),
    ],
)
def test_a_wrong_parameter_is_named(kind, parameters: dict[str, Any], where):
    with pytest.raises(InvalidInput) as caught:
        timer_of("t", kind, parameters)
    assert caught.value.where == where
