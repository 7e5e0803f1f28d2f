"""``st-ops status``: the platform at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.text import Text

from st_ops.cli.client import connect
from st_ops.cli.options import Form, Home, Output
from st_ops.cli.output import Column, facts, rows, show
from st_ops.cli.workers import COLUMNS

_PROBLEMS: tuple[Column, ...] = (
    ("pack", "pack"),
    ("file", lambda row: f"{row.get('path')}:{row['line']}" if row.get("line") else row.get("path")),
    ("problem", "message"),
)


def status(output: Output = Form.TABLE, home: Home = None) -> None:
    """Say what is registered, what waits, what runs and what is wrong."""
    with connect(home) as client:
        found = {"url": client.url, **client.get("/status")}
    show(output, found, lambda: _glance(found))


def _glance(found: Mapping[str, Any]) -> Group:
    registered = found["registered"]
    told = {
        "server": f"{found['url']}  (st_ops {found['version']}, {found['store']})",
        "registered": ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in registered.items()),
        "executions": ", ".join(f"{count} {name}" for name, count in found["executions"].items())
        or "none unfinished",
        "events": ", ".join(f"{count} {name}" for name, count in found["events"].items()),
    }
    parts: list[Any] = [
        facts(told, tuple(told)),
        Text(""),
        rows(found["workers"], COLUMNS, "There are no workers."),
    ]
    for queue, count in found["without_worker"].items():
        parts.append(
            Text(f"{count} executions wait in queue '{queue}', from which no worker takes work.", style="red")
        )
    if found["problems"]:
        parts += [Text("\nproblems in packs", style="bold red"), rows(found["problems"], _PROBLEMS, "")]
    return Group(*parts)
