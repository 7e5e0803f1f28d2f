"""``st-ops sensor``: what watches."""

from __future__ import annotations

from typing import Annotated

import typer

from st_ops.cli.actions import set_enabled
from st_ops.cli.client import connect
from st_ops.cli.options import Form, Home, Limit, Output
from st_ops.cli.output import Column, rows, show

app = typer.Typer(name="sensor", help="What watches.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(help="Ref, pack.class.", metavar="REF")]

_COLUMNS: tuple[Column, ...] = (
    ("ref", "ref"), ("enabled", "enabled"), ("every", lambda row: row.get("poll_interval")),
    ("emits", lambda row: ", ".join(row.get("trigger_types") or [])), ("description", "description"),
)  # fmt: skip


@app.command("list")
def list_(
    pack: Annotated[str | None, typer.Option(help="Only of this pack.")] = None,
    limit: Limit = 10_000,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """List sensors."""
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
