"""``name=value`` arguments as values of the types that a schema declares.

Text stays text; ``integer``, ``number`` and ``boolean`` are read as such; ``array`` is JSON or items separated by
commas; ``object`` is JSON; a parameter without a type is JSON when it parses, else text. ``name=@file`` takes the
file's content (``@-`` standard input), ``name=@@x`` the text ``@x``. Templates (``{{ … }}``) pass as they are.
"""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from st_ops.errors import InvalidInput

#: Makes a value of text and its schema; raises ValueError with what was expected.
Reader = Callable[[str, Mapping[str, Any]], Any]

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def typed(
    arguments: Sequence[str], schema: Mapping[str, Any], what: str, *, closed: bool = True
) -> dict[str, Any]:
    """``arguments`` as a mapping; ``what`` names whose they are, ``closed``: others than the schema's are wrong.

    Raises InvalidInput naming the parameter, what it was and what was expected.
    """
    found: dict[str, Any] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not equals or not name:
            raise InvalidInput(f"'{argument}' is not of the form name=value.", where=argument)
        if closed and name not in schema:
            raise InvalidInput(_unknown(name, schema, what), where=name)
        found[name] = value_of(name, text, schema.get(name) or {})
    return found


def _unknown(name: str, schema: Mapping[str, Any], what: str) -> str:
    close = difflib.get_close_matches(name, schema, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"{what} has no parameter '{name}'.{hint} It takes: {', '.join(sorted(schema)) or 'none'}."


def value_of(name: str, text: str, schema: Mapping[str, Any]) -> Any:
    """One value. Raises InvalidInput."""
    if text.startswith("@@"):
        text = text[1:]
    elif text.startswith("@"):
        text = _content(name, text[1:])
    if text.lstrip().startswith(("{{", "<%")):
        return text
    reader: Reader = _READERS.get(str(schema.get("type") or ""), _guess)
    try:
        return reader(text, schema)
    except ValueError as exc:
        shown = "its value" if schema.get("secret") else f"'{text if len(text) < 60 else text[:59] + '…'}'"
        expected = exc.args[0] if exc.args else "something else"
        raise InvalidInput(f"Parameter '{name}': {shown} is not {expected}.", where=name) from exc


def _content(name: str, path: str) -> str:
    if path == "-":
        return sys.stdin.read()
    try:
        return Path(path).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInput(f"Parameter '{name}': cannot read the file '{path}': {exc}.", where=name) from exc


def _integer(text: str, schema: Mapping[str, Any]) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("a whole number") from None


def _number(text: str, schema: Mapping[str, Any]) -> float | int:
    try:
        return int(text) if text.strip().lstrip("+-").isdigit() else float(text)
    except ValueError:
        raise ValueError("a number") from None


def _boolean(text: str, schema: Mapping[str, Any]) -> bool:
    if text.strip().lower() in _TRUE:
        return True
    if text.strip().lower() in _FALSE:
        return False
    raise ValueError("true or false")


def _array(text: str, schema: Mapping[str, Any]) -> list[Any]:
    if text.lstrip().startswith("["):
        value = _json(text, "a JSON array")
        return list(value)
    items = schema.get("items")
    below: Mapping[str, Any] = items if isinstance(items, dict) else {"type": "string"}
    if not text.strip():
        return []
    reader: Reader = _READERS.get(str(below.get("type") or ""), _string)
    return [reader(part.strip(), below) for part in text.split(",")]


def _object(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    value = _json(text, 'a JSON object such as {"a": 1}')
    if not isinstance(value, dict):
        raise ValueError('a JSON object such as {"a": 1}')
    return value


def _null(text: str, schema: Mapping[str, Any]) -> None:
    if text.strip().lower() not in ("", "null", "none"):
        raise ValueError("null")


def _string(text: str, schema: Mapping[str, Any]) -> str:
    return text


def _guess(text: str, schema: Mapping[str, Any]) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _json(text: str, expected: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise ValueError(f"{expected} ({exc})") from None


_READERS: dict[str, Reader] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "array": _array,
    "object": _object,
    "null": _null,
}
