"""Orquesta's shorthands: ``pack.action key=value …``, ``publish: key=value …``, ``a, b in <% … %>``."""

from __future__ import annotations

import json
import re
from typing import Any

_EXPRESSION = r"<%.*?%>|{{.*?}}"
_VALUE = r"\[.*\]\s*|\"[^\"]*\"\s*|'[^']*'\s*|-?\d*\.\d+|-?\d+|(?i:true)|(?i:false)|null|" + _EXPRESSION
_PAIR = re.compile(rf"(\w+)=({_VALUE})")
_ITEMS = re.compile(rf"^\s*(?:(\w+(?:\s*,\s*\w+)*)\s+in\s+)?({_EXPRESSION})\s*$", re.DOTALL)


def inline_pairs(text: str) -> list[tuple[str, Any]]:
    """Every ``key=value`` in ``text``, in order. Values are JSON where they can be, expressions and text else."""
    return [(key, _value(value.strip())) for key, value in _PAIR.findall(text)]


def _value(text: str) -> Any:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    bare = text[1:-1] if quoted else text
    if quoted and not (bare.startswith("{") and bare.endswith("}")):
        return bare
    try:
        return json.loads(bare.lower() if bare.lower() in ("true", "false") else bare)
    except ValueError:
        return bare


def split_action(action: str) -> tuple[str, dict[str, Any] | None]:
    """An ``action`` with inline input as (reference, input); input None when there is none."""
    pairs = inline_pairs(action)
    if not pairs:
        return action, None
    return action[: action.index(" ")] if " " in action else action, dict(pairs)


def split_items(text: str) -> tuple[tuple[str, ...], str] | None:
    """``x, y in <% … %>`` as (names, expression); names () when none are given; None when it is not of this form."""
    match = _ITEMS.match(text)
    if match is None:
        return None
    names = tuple(name.strip() for name in match.group(1).split(",")) if match.group(1) else ()
    return names, match.group(2)


def target_names(do: Any) -> tuple[str, ...]:
    """The targets of a ``do``: a list, or text with commas; ``continue`` when there is none."""
    if not do:
        return ("continue",)
    names = do.split(",") if isinstance(do, str) else do
    return tuple(name.strip() for name in names)
