"""The key of a criterion: a JSONPath into the event, parsed once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.parser import parse

from st_ops.errors import ExpressionError
from st_ops.expressions.datastore import SYSTEM, USER, Lookup, datastore

_NAME = r"[a-zA-Z_@][a-zA-Z0-9_@-]*"
#: ``trigger.a.b``: what nearly every key is, and what needs no JSONPath.
_PLAIN = re.compile(rf"{_NAME}(?:\.{_NAME})*\Z")
_RESERVED = {"where", "wherenot"}
#: How a key can begin that leads into the datastore, and the scope it means.
_STORED = (("st2kv.system.", SYSTEM), ("st2kv.user.", USER), ("system.", SYSTEM))

_UNKNOWN = object()


class Path:
    """A parsed key. Compared by identity: ``path_of`` gives equal keys the same object."""

    __slots__ = ("error", "names", "query", "scope", "stored", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: tuple[str, ...] | None = None
        self.query: Any = None
        #: Why it is no JSONPath, or "".
        self.error = ""
        self.scope, self.stored = next(
            ((scope, text[len(prefix) :]) for prefix, scope in _STORED if text.startswith(prefix)), ("", "")
        )
        names = text.split(".")
        if self.stored:
            return
        if _PLAIN.match(text) and not _RESERVED.intersection(names):
            self.names = tuple(names)
            return
        try:
            self.query = parse(text)
        except (JSONPathError, ValueError) as error:
            self.error = f"'{text}' is not a JSONPath: {error}"

    @property
    def is_plain(self) -> bool:
        """True when looking it up is a walk through dicts that cannot fail."""
        return self.names is not None

    def __repr__(self) -> str:
        return f"<Path {self.text}>"


@lru_cache(maxsize=10_000)
def path_of(key: str) -> Path:
    """The path of a criterion's ``key``: without ``#`` and all behind it, which only keeps keys apart."""
    return _path(key.split("#", 1)[0])


_path = lru_cache(maxsize=10_000)(Path)


class Subject:
    """What criteria are asked about: one payload (of an event, or an item in one) at one moment.

    Keeps what it has looked up, so that a thousand rules on one key cost one look-up.
    ``faults`` collects what went wrong inside ``search`` criteria, which counts as not matching there.
    """

    __slots__ = ("_context", "_found", "_root", "faults", "kv", "now")

    def __init__(
        self, payload: Any, kv: Lookup, now: datetime, root: str = "trigger", faults: list[str] | None = None
    ) -> None:
        self._root: dict[str, Any] = {root: payload}
        self._found: dict[Path, Any] = {}
        self._context: dict[str, Any] | None = None
        self.kv = kv
        self.now = now
        self.faults = [] if faults is None else faults

    def value(self, path: Path) -> Any:
        """What the event has at ``path``: the first hit; None when there is none.

        Raises ExpressionError when the key is not a JSONPath.
        """
        value = self._found.get(path, _UNKNOWN)
        if value is _UNKNOWN:
            value = self._found[path] = self._look(path)
        return value

    def _look(self, path: Path) -> Any:
        if path.names is not None:
            value: Any = self._root
            for name in path.names:
                if not isinstance(value, Mapping) or name not in value:
                    return None
                value = value[name]
            return value
        if path.error:
            raise ExpressionError(path.error)
        if path.stored:
            return self.kv(path.scope, "", path.stored)
        hits = path.query.find(self._root)
        return hits[0].value if hits else None

    def item(self, item: Any) -> Subject:
        """One item of a list in the event, called ``item`` in keys and templates."""
        return Subject(item, self.kv, self.now, root="item", faults=self.faults)

    @property
    def context(self) -> Mapping[str, Any]:
        """What a pattern's template sees: the payload as ``trigger`` (or ``item``), ``st2kv`` and ``system``."""
        if self._context is None:
            self._context = {**datastore(self.kv), **self._root}
        return self._context
