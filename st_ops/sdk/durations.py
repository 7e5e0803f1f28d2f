"""Durations as people write them: ``30``, ``"30s"``, ``"5m"``, ``"1h30m"``."""

from __future__ import annotations

import re
from typing import Any

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def seconds(value: Any) -> float:
    """``value`` in seconds. Raises ValueError, with a sentence, for what is not a positive duration."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        return float(value)
    if isinstance(value, str):
        text = value.replace(" ", "")
        parts = _PART.findall(text)
        if parts and "".join(number + unit for number, unit in parts) == text:
            total = sum(float(number) * _UNITS[unit] for number, unit in parts)
            if total > 0:
                return total
    raise ValueError(
        f"{value!r} is not a duration; give seconds (30) or a text such as '30s', '5m', '1h30m'."
    )
