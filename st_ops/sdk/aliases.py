"""Phrases of action aliases: a format with ``{{parameters}}``, matched against what somebody typed (StackStorm 1.12).

A format is a regular expression in which ``{{ name }}`` stands for a value that must be there and
``{{ name = default }}`` for one that may. Values may be quoted, or be a ``{…}`` object. Whatever follows as
``key=value`` pairs at the end of the command gives further parameters. It is anchored at both ends, unless it has
anchors of its own.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, Match

try:
    from re import _parser as _regex_parser  # type: ignore[attr-defined]  # Python 3.11 and later
except ImportError:
    import sre_parse as _regex_parser

Parameters = Dict[str, str]

#: A value in a ``key=value`` pair: empty quotes, quoted text, an object, or a word.
_VALUE = r"""(?P<empty>""|'')|"(?P<double>.+?)"|'(?P<single>.+?)'|(?P<object>\{.+?\})|(?P<word>\S+)"""
_BARE_VALUE = re.sub(r"\?P<\w+>", "?:", _VALUE)
_PAIR = re.compile(rf"(?:^|\s)\s*(?P<key>\S+?)\s*=(?:{_VALUE})", re.DOTALL)
_TAIL = re.compile(rf"((?:(?:^|\s+)\S+?\s*=(?:{_BARE_VALUE})\s*)+)$", re.DOTALL)

#: ``{{ name }}`` or ``{{ name = default }}`` in a format, with the white space before it.
#: The default may be a template, an object or a quoted text, which may have braces inside.
_DEFAULT = r"""\{\{.*?\}\}|\{.*?\}|".*?"|'.*?'|.*?"""
_PLACE = re.compile(
    r"(?P<space>\s*)\{\{\s*(?P<name>[^\s{}=]+)\s*(?P<equals>=\s*(?P<default>" + _DEFAULT + r")\s*)?\}\}",
    re.DOTALL,
)


class NoMatch(ValueError):
    """Raised when a command does not fit a format."""


class Format:
    """One format, compiled. Raises ValueError when it is not a regular expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._defaults: Parameters = {}
        pattern = _PLACE.sub(self._place, text)
        try:
            pattern = self._anchored(pattern)
            self._regex = re.compile(pattern, re.DOTALL)
        except re.error as error:
            raise ValueError(f"The format '{text}' is not a regular expression: {error}.") from error

    @property
    def names(self) -> list[str]:
        """The parameters the format names."""
        return list(self._regex.groupindex)

    def match(self, command: str) -> Parameters:
        """The parameters that ``command`` gives. Raises NoMatch."""
        rest, pairs = _split_pairs(command)
        found = self._regex.search(rest)
        if found is None:
            raise NoMatch(f'Command "{command}" doesn\'t match format string "{self.text}"')
        return self._parameters(found, rest, pairs)

    def match_all(self, command: str) -> list[Parameters]:
        """The parameters of every place in ``command`` that fits (``match_multiple``); empty when none does."""
        rest, pairs = _split_pairs(command)
        return [self._parameters(found, rest, pairs) for found in self._regex.finditer(rest)]

    def _place(self, place: Match[str]) -> str:
        name = place["name"]
        value = rf"""["']?(?P<{name}>(?<=')[^']+(?=')|(?<=")[^"]+(?=")|\{{.+?\}}|.+?)["']?"""
        if place["equals"] is None:
            return place["space"] + value
        default = place["default"]
        quoted = len(default) > 1 and default[0] == default[-1] and default[0] in "\"'"
        self._defaults[name] = default[1:-1] if quoted else default
        return f"(?:{place['space']}{value})?"

    @staticmethod
    def _anchored(pattern: str) -> str:
        anchors = set(_anchors(_regex_parser.parse(pattern, re.DOTALL)))
        begins = anchors & {"AT_BEGINNING", "AT_BEGINNING_STRING"}
        ends = anchors & {"AT_END", "AT_END_STRING"}
        return ("" if begins else r"^\s*") + pattern + ("" if ends else r"\s*$")

    def _parameters(self, found: Match[str], rest: str, pairs: Parameters) -> Parameters:
        values: dict[str, Any] = found.groupdict()
        for name, default in self._defaults.items():
            values[name] = values.get(name) or default
        values.update(pairs)
        if self.text and not rest.strip() and not any(values.values()):
            raise NoMatch("No value supplied and no default value found.")
        return values


def _anchors(tokens: Any) -> Iterator[str]:
    """The names of all anchors in a parsed regular expression."""
    for token in tokens:
        if not isinstance(token, tuple):
            continue
        name, argument = token[0], token[1] if len(token) > 1 else None
        if str(name) == "AT":
            yield str(argument)
        yield from _anchors_inside(argument)


def _anchors_inside(argument: Any) -> Iterator[str]:
    if type(argument).__name__ == "SubPattern":
        yield from _anchors(argument)
    elif isinstance(argument, (tuple, list)):
        for item in argument:
            yield from _anchors_inside(item)


def _split_pairs(command: str) -> tuple[str, Parameters]:
    """``command`` without the ``key=value`` pairs at its end, padded with spaces, and those pairs."""
    tail = _TAIL.search(command)
    if tail is None:
        return f" {command} ", {}
    pairs = {}
    for pair in _PAIR.finditer(tail.group(1)):
        texts = (pair["double"], pair["single"], pair["object"], pair["word"])
        pairs[pair["key"]] = next((text for text in texts if text), "")
    return f" {command[: tail.start(1)]} ", pairs
