"""Times as text, ``YYYY-MM-DDTHH:MM:SS.ffffffZ``."""

from st2common.util.date import add_utc_tz, convert_to_utc
from st2common.util.date import parse as parse_date

__all__ = ["ISO8601_FORMAT", "ISO8601_UTC_REGEX", "add_utc_tz", "format", "parse", "validate"]

ISO8601_FORMAT = "%Y-%m-%dT%H:%M:%S"
ISO8601_UTC_REGEX = r"^\d{4}\-\d{2}\-\d{2}(\s|T)\d{2}:\d{2}:\d{2}(\.\d{3,6})?(Z|\+00|\+0000|\+00:00)$"


def format(dt, usec=True, offset=True):  # noqa: A001  # StackStorm's name
    """``dt`` as text, with microseconds and with ``+00:00`` or ``Z``."""
    text = convert_to_utc(dt).strftime(ISO8601_FORMAT + (".%f" if usec else ""))
    return text + ("+00:00" if offset else "Z")


def parse(value, preserve_original_tz=False):
    """The moment of ``value``."""
    return parse_date(value)


def validate(value, raise_exception=True):
    """True when ``value`` is such a time. Raises ValueError otherwise, unless told not to."""
    try:
        parse(value)
    except (AttributeError, ValueError):
        if raise_exception:
            raise
        return False
    return True
