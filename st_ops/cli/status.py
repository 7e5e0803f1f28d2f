"""``st-ops status``: the platform at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.text import Text

from st_ops.cli.client import connect
from st_ops.cli.options import Form, Home, Output
from st_ops.cli.output import Column, facts, moment, rows, show
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


def _stranded(group: Mapping[str, Any]) -> str:
    """What waits for a worker that does not live, and how to start one."""
    needs = f" that offers {', '.join(group['needs'])}" if group["needs"] else ""
    labels = "".join(f" --label {label}" for label in group["needs"])
    stage = "workflows" if group["queue"] == "workflows" else f"runner --queue {group['queue']}{labels}"
    return (
        f"{group['count']} waiting in queue '{group['queue']}' since {moment(group['oldest'])}: "
        f"no worker{needs} takes from it. 'st-ops serve {stage}' starts one."
    )


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
    parts += [Text(_stranded(group), style="red") for group in found["without_worker"]]
    if found["problems"]:
        parts += [Text("\nproblems in packs", style="bold red"), rows(found["problems"], _PROBLEMS, "")]
    return Group(*parts)
