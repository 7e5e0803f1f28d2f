"""Times in UTC."""

import datetime as dt

__all__ = ["add_utc_tz", "append_milliseconds_to_time", "convert_to_utc", "get_datetime_utc_now", "parse"]


def get_datetime_utc_now():
    """The present moment."""
    return dt.datetime.now(dt.timezone.utc)


def add_utc_tz(date):
    """``date``, said to be UTC."""
    return date.replace(tzinfo=dt.timezone.utc)


def convert_to_utc(date):
    """``date`` in UTC; without a zone it is taken as UTC."""
    return add_utc_tz(date) if date.tzinfo is None else date.astimezone(dt.timezone.utc)


def append_milliseconds_to_time(date, millis):
    """``date`` and ``millis`` milliseconds."""
    return date + dt.timedelta(milliseconds=millis)


def parse(value):
    """The moment of an ISO 8601 text, in UTC."""
    return convert_to_utc(dt.datetime.fromisoformat(value.replace("Z", "+00:00")))
