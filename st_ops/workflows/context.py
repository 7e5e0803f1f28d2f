"""The variables one branch of a workflow sees: cheap to extend, shared between branches, merged at joins.

A Context never changes. Publishing makes a new one that shares all layers of the old; layers are
folded together so that each holds at least twice as many names as the one above it. A workflow of n
tasks therefore copies about log2(n) names per published name, however long it runs, and a lookup
passes about log2(n) layers.

Merging asks, name by name, whether one value was made out of the other's history. A value that both
branches inherited never overwrites what one of them published since. Two values published apart:
the branch that arrives later wins, and where both are dicts they are merged key by key (Orquesta).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Lineage:
    """When a value was published (``at``: the number of its fact in the log), and what it replaced."""

    at: int
    parents: tuple[Lineage, ...] = ()

    def descends_from(self, other: Lineage) -> bool:
        """True when ``other`` is this lineage or one that led to it."""
        waiting, seen = [self], set()
        while waiting:
            lineage = waiting.pop()
            if lineage.at == other.at:
                return True
            if lineage.at > other.at and lineage.at not in seen:
                seen.add(lineage.at)
                waiting.extend(lineage.parents)
        return False


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """One value of one variable."""

    value: Any
    lineage: Lineage


Layer = dict[str, Binding]


@dataclass(frozen=True, slots=True, eq=False)
class Context(Mapping[str, Any]):
    """An immutable mapping of names to values. Names that begin with ``__`` are not part of it."""

    layers: tuple[Layer, ...] = ()
    #: A dict published over a dict is merged into it (Orquesta), not put in its place (action chain).
    deep: bool = True
    #: Bindings copied by the publishes and merges that made this context, for the test of its cost.
    copied: int = 0

    @classmethod
    def of(cls, values: Mapping[str, Any], *, deep: bool = True) -> Context:
        """A context that begins with ``values``."""
        return cls(deep=deep).publish(values, 0)

    def publish(self, values: Mapping[str, Any], at: int) -> Context:
        """This context with ``values`` on top, published by fact number ``at`` of the log."""
        return self._with({name: self._over(name, value, at) for name, value in values.items()})

    def merge(self, other: Context, at: int) -> Context:
        """This context joined by ``other``, which arrived later, at fact number ``at``."""
        own = {id(layer) for layer in self.layers}
        changed: Layer = {}
        for layer in reversed(other.layers):
            if id(layer) not in own:
                changed.update(layer)
        return self._with(
            {name: made for name, theirs in changed.items() if (made := self._joined(name, theirs, at))}
        )

    def binding(self, name: str) -> Binding | None:
        """The value of ``name`` with its lineage; None when it is unknown."""
        for layer in self.layers:
            if name in layer:
                return layer[name]
        return None

    def _over(self, name: str, value: Any, at: int) -> Binding:
        below = self.binding(name)
        if below is None:
            return Binding(value, Lineage(at))
        return Binding(self._laid(below.value, value), Lineage(at, (below.lineage,)))

    def _joined(self, name: str, theirs: Binding, at: int) -> Binding | None:
        ours = self.binding(name)
        if ours is None:
            return theirs
        if ours.lineage.descends_from(theirs.lineage):
            return None
        if theirs.lineage.descends_from(ours.lineage):
            return theirs
        return Binding(self._laid(ours.value, theirs.value), Lineage(at, (ours.lineage, theirs.lineage)))

    def _with(self, top: Layer) -> Context:
        if not top:
            return self
        layers, copied = self.layers, self.copied + len(top)
        while layers and len(layers[0]) < 2 * len(top):
            copied += len(layers[0])
            top = {**layers[0], **top}
            layers = layers[1:]
        return Context((top, *layers), self.deep, copied)

    def _laid(self, under: Any, over: Any) -> Any:
        return merged(under, over) if self.deep else over

    def __getitem__(self, name: str) -> Any:
        found = None if name.startswith("__") else self.binding(name)
        if found is None:
            raise KeyError(name)
        return found.value

    def __iter__(self) -> Iterator[str]:
        names: dict[str, None] = {}
        for layer in reversed(self.layers):
            names.update(dict.fromkeys(layer))
        return (name for name in names if not name.startswith("__"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def merged(under: Any, over: Any) -> Any:
    """``over`` laid on ``under``: dicts key by key to any depth, anything else replaces. Neither is changed."""
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    made = dict(under)
    for key, value in over.items():
        made[key] = merged(under[key], value) if key in under else value
    return made
