"""``st2kv`` in templates: a name that is looked up only when it is used."""

from __future__ import annotations

from typing import Any, Protocol

from st_ops.expressions.plain import Standing

#: Scopes as the store and StackStorm's API write them.
SYSTEM, USER = "st2kv.system", "st2kv.user"


class Lookup(Protocol):
    """Where the values are."""

    def __call__(self, scope: str, user: str, name: str) -> str | None:
        """The stored text of ``name`` in ``scope`` (SYSTEM or USER; ``user`` is "" for SYSTEM), as it is stored:
        a secret's is its ciphertext. None when there is none.
        """


class Entry(Standing):
    """A dotted name in one scope: ``st2kv.system.a`` is one, and so is ``st2kv.system.a.b``, got from it with ``.b``.

    Each has its own text, "" when the store has no such name (as in StackStorm). The store is asked at the
    first use, once per entry. Every attribute without underscores is a further name, so methods have none.
    """

    __slots__ = ("_lookup", "_name", "_scope", "_text", "_user")

    def __init__(self, lookup: Lookup, scope: str, user: str, name: str = "") -> None:
        self._lookup = lookup
        self._scope = scope
        self._user = user
        self._name = name
        self._text: str | None = None

    def __plain__(self) -> str:
        """The stored text; "" when there is none."""
        if self._text is None:
            self._text = self._find() or ""
        return self._text

    def _find(self) -> str | None:
        """The stored text; None when there is none."""
        return self._lookup(self._scope, self._user, self._name) if self._name else None

    def _child(self, name: Any) -> Entry:
        """The entry one name further."""
        return Entry(
            self._lookup, self._scope, self._user, f"{self._name}.{name}" if self._name else str(name)
        )

    def __getattr__(self, name: str) -> Entry:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._child(name)

    __getitem__ = _child
    # Without these, iterating an entry would ask the store for the names 0, 1, 2 … for ever.
    __iter__ = None

    def __str__(self) -> str:
        return self.__plain__()

    def __repr__(self) -> str:
        return f"<datastore item {name_of(self)}>"  # never the value: it may be a secret

    def __int__(self) -> int:
        return int(float(self.__plain__()))

    def __float__(self) -> float:
        return float(self.__plain__())

    def __bool__(self) -> bool:
        return bool(self.__plain__())

    def __len__(self) -> int:
        return len(self.__plain__())

    def __contains__(self, part: str) -> bool:
        return part in self.__plain__()

    def __eq__(self, other: object) -> bool:
        return self.__plain__() == (other.__plain__() if isinstance(other, Entry) else other)

    def __hash__(self) -> int:
        return hash(self.__plain__())

    def __add__(self, other: Any) -> str:
        return self.__plain__() + str(other)

    def __radd__(self, other: Any) -> str:
        return str(other) + self.__plain__()


def name_of(entry: Entry) -> str:
    """An entry's full name: ``st2kv.system.a.b``."""
    return f"{entry._scope}.{entry._name}"


def datastore(lookup: Lookup, user: str = "") -> dict[str, Any]:
    """The names ``st2kv`` and (StackStorm's older) ``system`` for the context of a template, for ``user``.

    ``st2kv.system.x`` and ``st2kv.user.x`` find text; so does ``system.x``.
    """
    system = Entry(lookup, SYSTEM, "")
    return {"st2kv": {"system": system, "user": Entry(lookup, USER, user)}, "system": system}


def nothing(scope: str, user: str, name: str) -> str | None:
    """A Lookup without any values."""
    return None
