"""YAQL's operations that could make too much, done only when they do not; and a limit on the time they take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from yaql.language import specs, utils, yaqltypes
from yaql.language.contexts import Context

from st_ops.expressions import limits


class TimedContext(Context):  # type: ignore[misc]  # yaql has no types
    """A YAQL context that stops the evaluation in it after ``seconds``, at the next call of a function or operator.

    Contexts made below it share its end. Raises TooBig.
    """

    def __init__(
        self,
        parent_context: Any = None,
        data: Any = utils.NO_VALUE,
        convention: Any = None,
        seconds: float = 0,
    ) -> None:
        self._end: float = time.monotonic() + seconds if seconds else parent_context._end
        super().__init__(parent_context, data, convention)

    def collect_functions(self, name: str, predicate: Any = None, use_convention: bool = False) -> Any:
        """Find a function that is about to be called."""
        if time.monotonic() > self._end:
            raise limits.TooBig("it takes too long")
        return super().collect_functions(name, predicate, use_convention)


def register(context: Context) -> None:
    """Put the limited operations in front of YAQL's own."""
    for function, name in _OPERATIONS:
        context.register_function(function, name=name)


def _list_by_number(left: Any, right: int) -> Any:
    limits.check_binary("*", left, right)
    return left * right


def _number_by_list(left: int, right: Any) -> Any:
    limits.check_binary("*", left, right)
    return left * right


def _multiplication(left: float, right: float) -> float:
    limits.check_binary("*", left, right)
    return left * right


def _concat(*args: str) -> str:
    limits.check_size(sum(map(len, args)))
    return "".join(args)


def _plus(*args: str) -> str:
    return _concat(*args)


def _replace(string: str, old: str, new: str, count: int = -1) -> str:
    limits.check_replace(string, old, new)
    return string.replace(old, new, count)


def _join(sequence: Iterable[Any], separator: str, text_of: Callable[[Any], str]) -> str:
    texts: list[str] = []
    size = 0
    for item in sequence:
        texts.append(text_of(item))
        size += len(texts[-1]) + len(separator)
        limits.check_size(size)
    return separator.join(texts)


def _join_by(separator: str, sequence: Iterable[Any], text_of: Callable[[Any], str]) -> str:
    return _join(sequence, separator, text_of)


def _power(a: Any, b: Any, c: int | None = None) -> Any:
    if c is None:
        limits.check_binary("**", a, b)
    return pow(a, b, c)


def _shift(value: int, bits_number: int) -> int:
    limits.check_bits(value.bit_length() + bits_number)
    return value << bits_number


_OPERATIONS: list[tuple[Callable[..., Any], str]] = []


def _operation(
    function: Callable[..., Any],
    name: str,
    types: dict[str, Any],
    *,
    method: bool = False,
    joins: bool = False,
) -> None:
    """Describe ``function`` to YAQL as ``name``. ``joins``: it is handed YAQL's ``str`` as ``text_of``."""
    for parameter, kind in types.items():
        specs.parameter(parameter, kind)(function)
    if joins:
        specs.inject("text_of", yaqltypes.Delegate("str"))(function)
    if method:
        specs.method(function)
    _OPERATIONS.append((function, name))


_TEXT, _NUMBER, _INTEGER = yaqltypes.String(), yaqltypes.Number(), yaqltypes.Integer()
_operation(_list_by_number, "#operator_*", {"left": yaqltypes.Sequence(), "right": int})
_operation(_number_by_list, "#operator_*", {"left": int, "right": yaqltypes.Sequence()})
_operation(_multiplication, "#operator_*", {"left": _NUMBER, "right": _NUMBER})
_operation(_concat, "concat", {"args": _TEXT})
_operation(_plus, "#operator_+", {"args": _TEXT})
_operation(_replace, "replace", {"string": _TEXT, "old": _TEXT, "new": _TEXT, "count": int}, method=True)
_operation(_join, "join", {"sequence": yaqltypes.Iterable(), "separator": _TEXT}, method=True, joins=True)
_operation(_join_by, "join", {"separator": _TEXT, "sequence": yaqltypes.Iterable()}, method=True, joins=True)
_operation(_power, "pow", {"a": _NUMBER, "b": _NUMBER, "c": yaqltypes.Integer(nullable=True)})
_operation(_shift, "shiftBitsLeft", {"value": _INTEGER, "bits_number": _INTEGER})
