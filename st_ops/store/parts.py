"""Long lists in parts: a statement takes so many values, and memory so many rows, at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

#: Values in one ``IN (…)``, or rows in one INSERT.
MOST = 500


def in_parts(values: Sequence[T], size: int = MOST) -> Iterator[Sequence[T]]:
    """``values`` in their order, at most ``size`` at a time."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
