"""What a command prints: tables for people, JSON or YAML for programs; notes and errors go to stderr."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from st_ops.cli.options import Form

#: Status → colour.
COLOURS = {
    "succeeded": "green", "failed": "red", "timeout": "red", "abandoned": "red", "canceled": "yellow",
    "canceling": "yellow", "running": "cyan", "paused": "magenta", "pausing": "magenta", "resuming": "cyan",
    "pending": "magenta", "delayed": "blue", "requested": "blue", "scheduled": "blue", "processed": "green",
    "processing_failed": "red",
}  # fmt: skip

_IDENTIFIER = re.compile(r"\b[0-9a-f]{24}\b")

#: Columns of a table that goes into a pipe or a file.
_PIPE_WIDTH = 240

#: What is for copying or of one short word is never folded.
_WHOLE = frozenset(
    {"id", "status", "at", "started", "since", "took", "pid", "enabled", "did", "execution", "version"}
)

#: A column: its title, and the cell of a row (a key, or a function of the row).
Column = tuple[str, str | Callable[[Mapping[str, Any]], Any]]


def console() -> Console:
    """The console for answers. In a pipe or a file nothing need be folded to fit."""
    folded = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(soft_wrap=False, highlight=False, width=None if folded else _PIPE_WIDTH)


def note(message: str) -> None:
    """Say something to the person that is no part of the answer."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(message))


def show(form: Form, value: Any, table: Callable[[], Any]) -> None:
    """Print ``value`` as JSON or YAML, or what ``table`` makes of it for people."""
    if form is Form.TABLE:
        console().print(table())
    else:
        sys.stdout.write(dumped(form, value))


def dumped(form: Form, value: Any) -> str:
    """``value`` as JSON or YAML text that ends in a line break."""
    if form is Form.YAML:
        import yaml

        return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def rows(items: Sequence[Mapping[str, Any]], columns: Sequence[Column], empty: str) -> Table | Text:
    """A table of ``items``; the sentence ``empty`` when there are none."""
    if not items:
        return Text(empty, style="dim")
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title, _ in columns:
        table.add_column(title, no_wrap=title in _WHOLE, overflow="fold", min_width=len(title))
    for item in items:
        table.add_row(*[cell(item.get(key) if isinstance(key, str) else key(item)) for _, key in columns])
    return table


def facts(item: Mapping[str, Any], names: Sequence[str]) -> Table:
    """A table of some attributes of one thing; absent ones are left out."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name in names:
        if item.get(name) not in (None, "", [], {}):
            table.add_row(name, cell(item[name]))
    return table


def cell(value: Any) -> Text:
    """One cell: plain text, statuses in their colour, yes and no for booleans."""
    if isinstance(value, Text):
        return value
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, str):
        return Text(value, style=COLOURS.get(value, ""))
    if isinstance(value, (dict, list)):
        return Text(compact(value))
    return Text(str(value))


def compact(value: Any, most: int = 200) -> str:
    """A value in one line of at most ``most`` characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def moment(text: str | None) -> str:
    """A time of the API's in the zone of whoever reads it: ``hh:mm:ss`` today, else with the date before it."""
    if not text:
        return ""
    at = datetime.fromisoformat(text).astimezone()
    today = at.date() == datetime.now().astimezone().date()
    return at.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")


def shortened(text: str) -> str:
    """``text`` with every long identifier in it cut to its end, which tells neighbours apart."""
    return _IDENTIFIER.sub(lambda found: "…" + found[0][-6:], text)


def duration(seconds: float | None) -> str:
    """Seconds as ``12 ms``, ``3.4 s``, ``2 min 5 s`` or ``1 h 2 min``."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
