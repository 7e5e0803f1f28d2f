"""Keeping secret values out of what sensors print (guarantee 10)."""

from __future__ import annotations

from collections.abc import Iterable

MASK = "********"

#: Masking shorter texts would make the log unreadable and protect nothing.
_SHORTEST = 4


class Mask:
    """Replaces known secrets in lines. Secrets may be added while it is in use, from any thread."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: tuple[str, ...] = ()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Know these texts as secrets from now on; one of several lines (a key) is printed line by line."""
        lines = {line for text in secrets for line in text.splitlines() if len(line) >= _SHORTEST}
        # Longest first, so that a secret that contains another goes whole.
        self._secrets = tuple(sorted(lines.union(self._secrets), key=len, reverse=True))

    def __call__(self, line: str) -> str:
        """``line`` with every secret replaced."""
        for secret in self._secrets:
            if secret in line:
                line = line.replace(secret, MASK)
        return line
