"""``st-ops action``: what can be executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from st_ops.cli.client import connect
from st_ops.cli.options import Form, Home, Limit, Output
from st_ops.cli.output import Column, facts, note, rows, show

app = typer.Typer(name="action", help="What can be executed.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(help="Ref, pack.name.", metavar="REF")]

_COLUMNS: tuple[Column, ...] = (
    ("ref", "ref"), ("runner", "runner_type"), ("enabled", "enabled"), ("description", "description"),
)  # fmt: skip
_PARAMETERS: tuple[Column, ...] = (
    ("parameter", lambda row: Text(row["name"], style="bold" if row.get("required") else "")),
    ("type", "type"),
    ("default", lambda row: "(required)" if row.get("required") else row.get("default")),
    ("description", "description"),
)


@app.command("list")
def list_(
    pack: Annotated[str | None, typer.Option(help="Only of this pack.")] = None,
    limit: Limit = 10_000,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """List actions."""
    with connect(home) as client:
        wanted = "ref,runner_type,enabled,description" if output is Form.TABLE else None
        found = client.get("/actions", pack=pack, limit=limit, include_attributes=wanted)
    show(
        output,
        found,
        lambda: rows(found, _COLUMNS, "There are no actions; 'st-ops pack list' shows the packs."),
    )


@app.command()
def get(ref: Ref, output: Output = Form.TABLE, home: Home = None) -> None:
    """Show one action and the parameters it takes."""
    with connect(home) as client:
        found = client.get(f"/actions/views/overview/{ref}")
    show(output, found, lambda: _detail(found))


def _detail(action: Mapping[str, Any]) -> Group:
    described = facts(
        action, ("ref", "description", "runner_type", "entry_point", "enabled", "idempotent", "queue")
    )
    listed = [{"name": name, **schema} for name, schema in action.get("parameters", {}).items()]
    listed.sort(key=lambda row: (not row.get("required"), row.get("position", 1_000), row["name"]))
    return Group(described, Text(""), rows(listed, _PARAMETERS, "It takes no parameters."))


@app.command()
def enable(ref: Ref, home: Home = None) -> None:
    """Let an action be run."""
    set_enabled("actions", ref, True, home)


@app.command()
def disable(ref: Ref, home: Home = None) -> None:
    """Let an action be run no more."""
    set_enabled("actions", ref, False, home)


def set_enabled(noun: str, ref: str, enabled: bool, home: Home) -> None:
    """Enable or disable one thing; this survives reloads of its pack."""
    with connect(home) as client:
        answer = client.put(f"/{noun}/{ref}", {"enabled": enabled})
    note(f"{answer['ref']} is {'enabled' if answer['enabled'] else 'disabled'}.")
