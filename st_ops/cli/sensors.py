"""``st-ops sensor``: what watches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from st_ops.cli.actions import set_enabled
from st_ops.cli.client import connect
from st_ops.cli.options import Form, Home, Limit, Output
from st_ops.cli.output import Column, moment, rows, show

app = typer.Typer(name="sensor", help="What watches.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(help="Ref, pack.class.", metavar="REF")]

_COLUMNS: tuple[Column, ...] = (
    ("ref", "ref"), ("enabled", "enabled"), ("state", lambda row: _state(row).get("phase")),
    ("since", lambda row: moment(_state(row).get("started_at"))), ("events", lambda row: _state(row).get("events")),
    ("deaths", lambda row: _state(row).get("restarts") or ""), ("host", lambda row: _state(row).get("host")),
    ("reason", lambda row: _state(row).get("reason")), ("every", lambda row: row.get("poll_interval")),
    ("emits", lambda row: ", ".join(row.get("trigger_types") or [])),
)  # fmt: skip


def _state(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return row.get("state") or {}


@app.command("list")
def list_(
    pack: Annotated[str | None, typer.Option(help="Only of this pack.")] = None,
    limit: Limit = 10_000,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """List sensors, and whether each runs, wherever that is."""
    with connect(home) as client:
        found = client.get("/sensortypes", pack=pack, limit=limit)
    show(output, found, lambda: rows(found, _COLUMNS, "There are no sensors."))


@app.command()
def enable(ref: Ref, home: Home = None) -> None:
    """Let a sensor watch."""
    set_enabled("sensortypes", ref, True, home)


@app.command()
def disable(ref: Ref, home: Home = None) -> None:
    """Stop a sensor."""
    set_enabled("sensortypes", ref, False, home)
