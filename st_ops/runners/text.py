"""What jobs say, made fit to be kept: JSON that is not nested without end, and sentences of some length at most."""

from __future__ import annotations

import json
from typing import Any

import orjson

#: Levels of lists and objects that are kept of a value; the store can write no more than 254.
DEEPEST = 200

#: Characters kept of a reason: it stands in lists and in the audit log; all of it is in the result and in stderr.
_LONGEST = 1000


def loads(text: str | bytes) -> Any:
    """The value that JSON text of a job stands for, cut where it is nested too deeply. Raises ValueError."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = _python_loads(text)
    # Counting is much cheaper than looking.
    brackets = sum(map(text.count, "[{")) if isinstance(text, str) else sum(map(text.count, (b"[", b"{")))
    return _cut(value, DEEPEST) if brackets > DEEPEST and _is_deep(value) else value


def sentence(text: str) -> str:
    """``text`` as a reason: without what no database takes as text, and not longer than a reason may be."""
    text = clean(text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " […]"


def clean(text: str) -> str:
    """``text`` with NULs and halves of surrogate pairs, which are no text to a database, as U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _python_loads(text: str | bytes) -> Any:
    try:
        return json.loads(
            text
        )  # NaN, halves of surrogate pairs and large integers are Python's, not orjson's
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None


def _is_deep(value: Any) -> bool:
    try:
        orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
    except (orjson.JSONEncodeError, ValueError) as error:
        return "ecursion" in str(error)
    return False


def _cut(value: Any, levels: int) -> Any:
    if isinstance(value, list | dict) and not levels:
        return f"(nested deeper than {DEEPEST} levels)"
    if isinstance(value, list):
        return [_cut(entry, levels - 1) for entry in value]
    if isinstance(value, dict):
        return {key: _cut(entry, levels - 1) for key, entry in value.items()}
    return value
