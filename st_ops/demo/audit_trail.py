"""The audit log of one event, from alert to load balancer, as a table."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rich.table import Table

from st_ops.demo.platform import DemoPlatform


def audit_trail(platform: DemoPlatform, event: str) -> Table:
    """Everything that was done because of ``event``, in order, with the seconds since it came in."""
    trace = platform.get(f"/triggerinstances/{event}").get("trace_id") or event
    entries = platform.get("/audit", trace_id=trace, limit=100, sort_asc=True)
    table = Table(title="The audit log of it, from alert to load balancer", title_justify="left", box=None)
    table.add_column("s", justify="right", style="dim")
    table.add_column("what")
    table.add_column("of")
    table.add_column("who", style="dim")
    for entry in entries:
        seconds = (_moment(entry) - _moment(entries[0])).total_seconds()
        table.add_row(f"{seconds:.2f}", entry["verb"], entry.get("ref", ""), entry.get("actor", ""))
    return table


def _moment(entry: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["at"])
