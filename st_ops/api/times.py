"""Moments in queries."""

from __future__ import annotations

from datetime import datetime

from st_ops.errors import InvalidInput
from st_ops.model.identity import parse_time


def moment(name: str, text: str | None) -> datetime | None:
    """The moment in the query parameter ``name``; None when it is not given. Raises InvalidInput."""
    if not text:
        return None
    try:
        # A plus sign that was not escaped in the URL arrives as a space.
        return parse_time(text.strip().replace(" ", "+", 1) if text.count(" ") == 1 and "T" in text else text)
    except ValueError as exc:
        example = "2026-01-31T12:00:00Z"
        raise InvalidInput(f"'{name}' is '{text}'; expected a time such as {example}.", where=name) from exc
