"""Which of many rules on one trigger an event can concern at all: found by hash, so that a thousand cost little.

A rule is left out only when one of its criteria is not met and no criterion before that one fails: then
asking the rule in full would have said no, without an error. Criteria that could fail stand guard: they are
asked first, once for all the rules that share them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from st_ops.rules.criteria import Criterion
from st_ops.rules.operators import text
from st_ops.rules.paths import Path, Subject

Kind = Literal["same", "same_ignoring_case"]


class Indexed(Protocol):
    """What the index needs of a rule."""

    @property
    def criteria(self) -> Sequence[Criterion]:
        """Its criteria in order."""


@dataclass(frozen=True, slots=True)
class _Handle:
    """A criterion as the index can use it: met only by values equal to one of ``keys``."""

    path: Path
    kind: Kind
    keys: tuple[Hashable, ...]
    #: The criteria before it that could fail.
    guards: tuple[Criterion, ...]

    @property
    def shelf(self) -> Hashable:
        """Equal for handles that one shelf serves."""
        return self.path, self.kind, tuple(guard.identity for guard in self.guards)


@dataclass(slots=True)
class _Shelf:
    """The rules that are found by the value at one path, behind the same guards."""

    path: Path
    kind: Kind
    guards: tuple[Criterion, ...]
    by_key: dict[Hashable, list[int]] = field(default_factory=dict)
    every: list[int] = field(default_factory=list)

    def add(self, position: int, keys: tuple[Hashable, ...]) -> None:
        self.every.append(position)
        for key in dict.fromkeys(keys):
            self.by_key.setdefault(key, []).append(position)

    def candidates(self, subject: Subject) -> Sequence[int]:
        for guard in self.guards:
            try:
                if not guard.check(subject):
                    return ()
            except Exception:  # noqa: BLE001 - then each rule is asked in full, and tells
                return self.every
        value = text(subject.value(self.path))
        if self.kind == "same_ignoring_case":
            # Anything but text makes iequals fail, and a failure must be told.
            return self.by_key.get(value.lower(), ()) if isinstance(value, str) else self.every
        try:
            return self.by_key.get(value, ())
        except TypeError:  # a list or dict equals no scalar
            return ()


class Index:
    """The candidates among ``rules`` for an event, by position. Built once, then only read."""

    def __init__(self, rules: Sequence[Indexed]) -> None:
        handles = [list(_handles(rule.criteria)) for rule in rules]
        crowd = Counter((h.path, h.kind, key) for found in handles for h in found for key in h.keys)
        shelves: dict[Hashable, _Shelf] = {}
        #: Rules that must be asked in full about every event.
        self._always: list[int] = []
        for position, found in enumerate(handles):
            if not found:
                self._always.append(position)
                continue
            best = min(
                found, key=lambda h: (max(crowd[h.path, h.kind, key] for key in h.keys), len(h.guards))
            )
            shelf = shelves.setdefault(best.shelf, _Shelf(best.path, best.kind, best.guards))
            shelf.add(position, best.keys)
        self._shelves = list(shelves.values())

    def candidates(self, subject: Subject) -> Sequence[int]:
        """The positions of the rules that must be asked about this event, ascending."""
        found: list[int] = []
        for shelf in self._shelves:
            found += shelf.candidates(subject)
        if not found:
            return self._always
        found += self._always
        found.sort()
        return found


def _handles(criteria: Sequence[Criterion]) -> Iterator[_Handle]:
    """The criteria by which a rule may be indexed, up to the first whose pattern is made anew for each event."""
    guards: list[Criterion] = []
    for criterion in criteria:
        if not criterion.path.is_plain or criterion.test is None:
            return
        keys = _keys(criterion)
        if keys is not None:
            kind: Kind = "same_ignoring_case" if criterion.operator in ("iequals", "ieq") else "same"
            yield _Handle(criterion.path, kind, keys, tuple(guards))
        if not _cannot_fail(criterion):
            guards.append(criterion)


def _keys(criterion: Criterion) -> tuple[Hashable, ...] | None:
    """The values that meet ``criterion``, when they can be listed."""
    pattern: Any = criterion.pattern
    if criterion.operator in ("equals", "eq"):
        return (pattern,) if _is_key(pattern) else None
    if criterion.operator in ("iequals", "ieq"):
        return (pattern.lower(),) if isinstance(pattern, str) else None
    if criterion.operator in ("inside", "in") and isinstance(pattern, list | tuple):
        return tuple(pattern) if pattern and all(map(_is_listed, pattern)) else None
    return None


def _is_key(value: Any) -> bool:
    """True for scalars by which a dict finds exactly what ``==`` would; null (equals: never) and NaN are not."""
    return isinstance(value, str | int | float) and value == value


def _is_listed(value: Any) -> bool:
    return value is None or _is_key(value)


def _cannot_fail(criterion: Criterion) -> bool:
    """True when testing ``criterion`` raises for no value that JSON can hold."""
    if criterion.operator in ("equals", "eq", "nequals", "neq", "exists", "nexists"):
        return True
    return criterion.operator in ("inside", "in", "ninside", "nin") and isinstance(
        criterion.pattern, list | tuple
    )
