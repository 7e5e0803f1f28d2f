"""Hiding secret values by value, wherever a run lets them slip: in its output and its result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MASK = "********"
#: Shorter values are not searched for: masking every "a" would destroy the output and hide nothing.
_SHORTEST = 4


class Masker:
    """Replaces the given secret values."""

    def __init__(self, secrets: Iterable[Any]) -> None:
        """``secrets``: the values of one run's secret parameters and config entries, nested ones included."""
        found = {text for value in secrets for text in _texts(value) if len(text) >= _SHORTEST}
        #: Longest first, so that a secret that contains another one goes whole.
        self._secrets = sorted(found, key=len, reverse=True)

    def text(self, data: str) -> str:
        """``data`` with every secret replaced."""
        for secret in self._secrets:
            if secret in data:
                data = data.replace(secret, MASK)
        return data

    def value(self, value: Any) -> Any:
        """A JSON value with every secret replaced in its strings, keys included."""
        if not self._secrets:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                self.text(key) if isinstance(key, str) else key: self.value(entry)
                for key, entry in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(entry) for entry in value]
        return value


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
        # A secret of several lines (a key) is printed line by line.
        yield from (line for line in value.splitlines() if line != value)
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _texts(entry)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
