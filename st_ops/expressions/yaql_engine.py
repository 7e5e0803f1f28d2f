"""YAQL, the language of ``<% %>``: one engine, limited, shared by all threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import yaql
from yaql.language.contexts import Context
from yaql.language.expressions import Expression, Function, KeywordConstant, Statement
from yaql.language.factory import YaqlFactory

from st_ops.expressions import limits, yaql_limits
from st_ops.expressions.plain import Standing, plain
from st_ops.expressions.yaql_limits import TimedContext

#: Where an evaluation's own context is kept in YAQL's; the space keeps expressions from naming it.
_EVALUATION = "$evaluation context"
_OPTIONS = {
    "yaql.limitIterators": limits.MAX_ITEMS,
    "yaql.memoryQuota": limits.MAX_SIZE,
    "yaql.convertOutputData": False,  # done by plain(), which gives back what was never touched
}


class View(Standing, Mapping[Any, Any]):
    """A dict as YAQL wants it, frozen and hashable, made so only as deep as an expression looks."""

    __slots__ = ("_hash", "_plain")

    def __init__(self, value: Mapping[Any, Any]) -> None:
        self._plain = value
        self._hash: int | None = None

    def __plain__(self) -> Any:
        """The dict itself."""
        return self._plain

    def __getitem__(self, key: Any) -> Any:
        return frozen(self._plain[key])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._plain)

    def __len__(self) -> int:
        return len(self._plain)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self.items()))
        return self._hash

    def __repr__(self) -> str:
        return repr(self._plain)


def frozen(value: Any) -> Any:
    """``value`` for YAQL: lists as tuples, dicts as Views."""
    if isinstance(value, View):
        return value
    if isinstance(value, Mapping):
        return View(value)
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in value)
    return value


class YaqlEngine:
    """Evaluates YAQL expressions. Build one per process and share it.

    ``contextual`` functions get the evaluation context of each call as their first argument; ``others`` do
    not. Both are called with plain Python values and may return any. An evaluation may take ``seconds``.
    """

    def __init__(
        self,
        contextual: Mapping[str, Callable[..., Any]],
        others: Mapping[str, Callable[..., Any]],
        seconds: float = limits.MAX_SECONDS,
    ) -> None:
        self._seconds = seconds
        self._engine = YaqlFactory().create(options=_OPTIONS)
        self._parser = threading.Lock()  # ply's lexer and parser keep state between tokens
        limited = Context(yaql.create_context())
        yaql_limits.register(limited)
        self._functions = Context(limited)
        for name, function in others.items():
            self._functions.register_function(_without_context(function), name=name)
        for name, function in contextual.items():
            self._functions.register_function(_with_context(function), name=name)
        self.parse = lru_cache(maxsize=2_000)(self._parse)

    def _parse(self, source: str) -> Statement:
        """The parsed expression, kept. Raises yaql's errors, ValueError or TypeError when it is not valid."""
        with self._parser:
            return self._engine(source)

    def evaluate(self, source: str, context: Any) -> Any:
        """The value of the expression ``source``, as plain Python. Raises whatever YAQL or a function raises."""
        statement = self.parse(source)
        scope = TimedContext(self._functions, seconds=self._seconds)
        scope[_EVALUATION] = context
        return plain(statement.evaluate(context=scope))

    def names_in_ctx(self, source: str) -> set[str]:
        """The names that ``source`` takes from ``ctx()``: ``ctx(x)``, ``ctx().x``. Raises as ``parse`` does."""
        found: set[str] = set()
        _collect(self.parse(source).expression, found)
        return found


def _with_context(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(
        context: Any, *args: Any, **kwargs: Any
    ) -> Any:  # YAQL injects its context by this parameter's name
        values = [plain(argument) for argument in args]
        named = {name: plain(argument) for name, argument in kwargs.items()}
        return frozen(function(context[_EVALUATION], *values, **named))

    return call


def _without_context(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        values = [plain(argument) for argument in args]
        named = {name: plain(argument) for name, argument in kwargs.items()}
        return frozen(function(*values, **named))

    return call


def _is_ctx(node: Any) -> bool:
    return isinstance(node, Function) and node.name == "ctx"


def _collect(node: Any, found: set[str]) -> None:
    """Add the names under ``node`` of a parsed expression to ``found``."""
    if not isinstance(node, Function):
        inner = (
            [part for part in vars(node).values() if isinstance(part, Expression)]
            if hasattr(node, "__dict__")
            else []
        )
        for part in inner:
            _collect(part, found)
        return
    arguments = list(node.args)
    if _is_ctx(node) and arguments and isinstance(getattr(arguments[0], "value", None), str):
        found.add(arguments[0].value)
    if (
        node.name in ("#operator_.", "#operator_?.", "#indexer")
        and len(arguments) == 2
        and _is_ctx(arguments[0])
    ):
        name = getattr(arguments[1], "value", None)
        if not arguments[0].args and isinstance(name, str) and _names(node, arguments[1]):
            found.add(name)
    for argument in arguments:
        _collect(argument, found)


def _names(node: Any, argument: Any) -> bool:
    """True when ``argument`` names a key: behind a dot only a bare word does, in brackets a string too."""
    return node.name == "#indexer" or isinstance(argument, KeywordConstant)
