"""What is wrong in a pack, and where: file, line, key and a sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

#: A path of keys (and list indexes) from the top of a document.
Keys = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong. ``path`` is relative to the pack's folder; ``line`` counts from 1.

    An ``error`` costs the resource its place; a ``warning`` is worth a look.
    """

    path: str
    message: str
    line: int | None = None
    key: str = ""
    kind: str = ""
    ref: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


@dataclass(frozen=True)
class Fault:
    """A problem found in a document, before its file and line are known. ``line`` overrides the key's."""

    keys: Keys
    message: str
    line: int | None = None
    severity: Literal["error", "warning"] = "error"


class Faulty(Exception):
    """Raised when a document does not describe a resource; ``faults`` says why, at least one."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(fault.message for fault in self.faults))


def dotted(keys: Keys) -> str:
    """``("parameters", "hosts", 0)`` as ``parameters.hosts[0]``."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``" Did you mean 'x'?"`` when one of ``known`` is close to ``word``, else ""."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return f" Did you mean '{close[0]}'?" if close else ""
