"""Hiding secret values by value, wherever a run or a sensor lets them slip: in output, results, logs."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from st_ops.expressions.masking import MASK

#: Shorter values are not searched for: masking every "a" would destroy the output and hide nothing.
SHORTEST = 4


def _nothing(_value: Any) -> bool:
    return False


class Masker:
    """Replaces secret values. More may be added while it is in use, from any thread."""

    def __init__(self, secrets: Iterable[Any] = ()) -> None:
        """``secrets``: any JSON values; every text and number in them counts."""
        self._texts: tuple[str, ...] = ()
        #: Length of the longest text it looks for; 0 = there is nothing to hide.
        self.longest = 0
        self.add(secrets)

    def add(self, secrets: Iterable[Any]) -> None:
        """Hide these values too from now on."""
        found = {form for value in secrets for text in texts_of(value) for form in _forms(text)}
        if found <= set(self._texts):
            return
        # Longest first, so that a secret that contains another one goes whole.
        self._texts = tuple(sorted(found.union(self._texts), key=lambda text: (-len(text), text)))
        self.longest = len(self._texts[0])

    def text(self, data: str) -> str:
        """``data`` with every secret replaced."""
        for secret in self._texts:
            if secret in data:
                data = data.replace(secret, MASK)
        return data

    def value(self, value: Any, spare: Callable[[Any], bool] = _nothing) -> Any:
        """A JSON value with every secret replaced in its strings, keys included, and among its numbers.

        Parts that ``spare`` says True to stay as they are.
        """
        if not self._texts or spare(value):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                self.text(key) if isinstance(key, str) else key: self.value(entry, spare)
                for key, entry in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(entry, spare) for entry in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and str(value) in self._texts:
            return MASK
        return value

    def hides(self, value: Any) -> bool:
        """True when there is a secret anywhere in a JSON value."""
        return bool(self._texts) and self.value(value) != value


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a JSON value, and every number as text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for entry in value.values():
            yield from texts_of(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from texts_of(entry)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _forms(secret: str) -> Iterator[str]:
    """How a secret may look in what a program prints, each form long enough to be searched for."""
    # A secret of several lines (a key) is printed line by line.
    plain = {secret, *secret.splitlines()}
    forms = set(plain)
    for text in plain:
        forms.add(json.dumps(text, ensure_ascii=False)[1:-1])
        forms.add(json.dumps(text)[1:-1])
        forms.add(quote(text, safe="", errors="replace"))
        forms.add(quote_plus(text, errors="replace"))
    forms.add(base64.b64encode(secret.encode("utf-8", "surrogatepass")).decode())
    return (form for form in forms if len(form) >= SHORTEST)
