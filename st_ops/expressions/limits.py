"""How much a template may ask for. Templates come from packs and, in workflows, out of data: none may eat the machine.

The checks look at what an operation *would* produce, before it produces it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sized
from typing import Any

from st_ops.errors import ExpressionError

#: Most characters (or items) any one value, and the text a template renders to, may have.
MAX_SIZE = 10_000_000
#: Most numbers in one ``range()``.
MAX_RANGE = 100_000
#: Most loop turns over ``range()`` in one rendering, nested loops multiplied out.
MAX_TURNS = 1_000_000
#: Most bits of an integer.
MAX_BITS = 100_000
#: Longest that one YAQL expression may take, in seconds.
MAX_SECONDS = 10.0
#: Most items in a list that YAQL walks.
MAX_ITEMS = 200_000

_WIDTHS = re.compile(r"\d{6,}")
_NESTED = re.compile(r"\{[^{}]*\{")


class TooBig(ExpressionError):
    """Raised when a template asks for more than the limits above."""


def check_size(size: int) -> None:
    """Raise TooBig when a value of ``size`` characters or items would pass MAX_SIZE."""
    if size > MAX_SIZE:
        raise TooBig(
            f"it would make a value of {size:,} characters or items; at most {MAX_SIZE:,} are allowed"
        )


def check_binary(operator: str, left: Any, right: Any) -> None:
    """Raise TooBig when ``left operator right`` would be too large (operators ``+ * ** %``)."""
    if operator == "**":
        if isinstance(left, int) and isinstance(right, int):
            check_bits(left.bit_length() * abs(right))
    elif operator == "*":
        _check_product(left, right)
    elif operator == "%" and isinstance(left, str):
        check_format(left, (right if isinstance(right, tuple) else (right,)) if "*" in left else ())
    elif operator == "+" and isinstance(left, Sized) and isinstance(right, Sized):
        check_size(len(left) + len(right))


def _check_product(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        check_bits(left.bit_length() + right.bit_length())
    elif isinstance(left, Sized) and isinstance(right, int):
        check_size(len(left) * right)
    elif isinstance(right, Sized) and isinstance(left, int):
        check_size(len(right) * left)


def check_bits(bits: int) -> None:
    """Raise TooBig when an integer of ``bits`` bits would pass MAX_BITS."""
    if bits > MAX_BITS:
        raise TooBig(f"it would make a number of {bits:,} bits; at most {MAX_BITS:,} are allowed")


def check_format(template: str, arguments: tuple[Any, ...]) -> None:
    """Raise TooBig when a format string pads too far: by a number in it, or by one of ``arguments``."""
    for width in _WIDTHS.findall(template):
        check_size(int(width[:12]))
    for argument in arguments:
        if isinstance(argument, int):
            check_size(abs(argument))


def takes_widths(template: str) -> bool:
    """True when a ``str.format`` string has a nested field, so that an argument can be a width."""
    return _NESTED.search(template) is not None


def check_string_method(text: str, name: str, arguments: tuple[Any, ...]) -> None:
    """Raise TooBig when ``text.name(*arguments)`` would be too large."""
    if name in ("ljust", "rjust", "center", "zfill") and arguments and isinstance(arguments[0], int):
        check_size(arguments[0])
    elif name == "expandtabs" and arguments and isinstance(arguments[0], int):
        check_size(len(text) + text.count("\t") * abs(arguments[0]))
    elif name == "replace" and len(arguments) >= 2:
        check_replace(text, *arguments[:2])
    elif name == "join" and arguments and isinstance(arguments[0], Sized):
        check_size(len(text) * len(arguments[0]))


def check_replace(text: Any, old: Any, new: Any) -> None:
    """Raise TooBig when replacing every ``old`` in ``text`` by ``new`` would be too large."""
    text, old, new = str(text), str(old), str(new)
    check_size(len(text) + (text.count(old) if old else len(text) + 1) * len(new))


class Turns:
    """Counts the loop turns of the rendering that runs in each thread, over all its ``range()`` calls."""

    def __init__(self) -> None:
        self._local = threading.local()

    def reset(self) -> None:
        """Begin a rendering."""
        self._local.left = MAX_TURNS

    def range(self, *arguments: int) -> range:
        """``range`` for templates: at most MAX_RANGE long, counted against MAX_TURNS when it is walked."""
        made = range(*arguments)
        if len(made) > MAX_RANGE:
            raise TooBig(f"range() may have at most {MAX_RANGE:,} items, not {len(made):,}")
        self._local.left = getattr(self._local, "left", MAX_TURNS) - len(made)
        if self._local.left < 0:
            raise TooBig(f"its loops turn more than {MAX_TURNS:,} times")
        return made


def capped(pieces: Iterator[str]) -> str:
    """The pieces joined, or TooBig as soon as they pass MAX_SIZE."""
    parts: list[str] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        check_size(size)
        parts.append(piece)
    return "".join(parts)
