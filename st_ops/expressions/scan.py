"""Finding expressions in text, without evaluating them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

#: How much of a template an error message quotes.
_QUOTED = 200
#: Inside ``{{ }}``: strings, and the braces that may nest (a dict literal).
_TOKEN = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[{}]""", re.DOTALL)
_YAQL = re.compile(r"<%(.*?)%>", re.DOTALL)
_BLOCK = re.compile(r"\{%.*?%\}", re.DOTALL)
_RAW = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}(.*?)\{%[-+]?\s*endraw\s*[-+]?%\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression in a text: ``text`` with its delimiters, ``source`` without them."""

    text: str
    source: str


#: A text cut up: literal strings and the expressions between them, in order; empty strings are left out.
Pieces = tuple[str | Expression, ...]


@lru_cache(maxsize=2_000)
def jinja_pieces(text: str) -> Pieces:
    """``text`` cut at its ``{{ }}`` expressions. Strings and nested braces inside them are understood."""
    found: list[tuple[int, int]] = []
    start = text.find("{{")
    while start >= 0:
        end = _end_of(text, start + 2)
        if end is None:
            break
        found.append((start, end))
        start = text.find("{{", end)
    return _cut(text, [(begin, end, text[begin + 2 : end - 2]) for begin, end in found])


def _end_of(text: str, position: int) -> int | None:
    """Just behind the ``}}`` that closes the expression whose inside begins at ``position``; None when none does."""
    depth = 0
    for token in _TOKEN.finditer(text, position):
        if token.group() == "{":
            depth += 1
        elif token.group() == "}":
            if depth:
                depth -= 1
            elif text.startswith("}}", token.start()):
                return token.start() + 2
    return None


@lru_cache(maxsize=2_000)
def yaql_pieces(text: str) -> Pieces:
    """``text`` cut at its ``<% %>`` expressions."""
    return _cut(text, [(match.start(), match.end(), match.group(1)) for match in _YAQL.finditer(text)])


def _cut(text: str, spans: list[tuple[int, int, str]]) -> Pieces:
    pieces: list[str | Expression] = []
    position = 0
    for start, end, inside in spans:
        pieces += [
            text[position:start],
            Expression(text[start:end], inside.removeprefix("-").removesuffix("-").strip()),
        ]
        position = end
    pieces.append(text[position:])
    return tuple(piece for piece in pieces if piece)


def has_jinja_block(text: str) -> bool:
    """True when ``text`` has a ``{% %}`` block."""
    return _BLOCK.search(text) is not None


def take_raw(text: str) -> tuple[str, list[str]]:
    """``text`` with every raw block replaced by a mark, and what the blocks held."""
    held: list[str] = []

    def mark(match: re.Match[str]) -> str:
        held.append(match.group(1))
        return raw_mark(len(held) - 1)

    return _RAW.sub(mark, text), held


def raw_mark(index: int) -> str:
    """What stands for raw block ``index``: characters from Unicode's private use area, which nobody types."""
    return f"\ue0f0{index}\ue0f1"


def lone_jinja_expression(text: str) -> str | None:
    """The source of the expression when ``text`` is one ``{{ }}`` and nothing but white space around it, else None."""
    stripped = text.strip()
    if not (stripped.startswith("{{") and stripped.endswith("}}")):
        return None
    pieces = jinja_pieces(stripped)
    return pieces[0].source if len(pieces) == 1 and isinstance(pieces[0], Expression) else None


def quoted(template: str) -> str:
    """As much of ``template`` as an error message shows."""
    return template if len(template) <= _QUOTED else template[:_QUOTED] + "…"
