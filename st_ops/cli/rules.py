"""``st-ops rule``: which events start which actions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from st_ops.cli.actions import set_enabled
from st_ops.cli.client import connect
from st_ops.cli.failures import FAILED
from st_ops.cli.files import looks_like_file, read_object
from st_ops.cli.options import Form, Home, Limit, Output
from st_ops.cli.output import Column, dumped, facts, rows, show

app = typer.Typer(name="rule", help="Which events start which actions.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(help="Ref, pack.name.", metavar="REF")]

_COLUMNS: tuple[Column, ...] = (
    ("ref", "ref"),
    ("trigger", lambda row: (row.get("trigger") or {}).get("type")),
    ("action", lambda row: (row.get("action") or {}).get("ref")),
    ("enabled", "enabled"),
    ("description", "description"),
)
_STEPS: tuple[Column, ...] = (
    ("", lambda row: Text("✓", style="green") if row.get("passed") else Text("✗", style="red")),
    ("criterion", "key"),
    ("operator", "operator"),
    ("pattern", "pattern"),
    ("the event has", "value"),
    ("", "error"),
)


@app.command("list")
def list_(
    pack: Annotated[str | None, typer.Option(help="Only of this pack.")] = None,
    action: Annotated[str | None, typer.Option(help="Only those that start this action.")] = None,
    trigger: Annotated[str | None, typer.Option(help="Only those that listen to this trigger type.")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enabled/--disabled", help="Only these.", show_default=False)
    ] = None,
    limit: Limit = 10_000,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """List rules."""
    with connect(home) as client:
        found = client.get("/rules", pack=pack, action=action, trigger=trigger, enabled=enabled, limit=limit)
    show(output, found, lambda: rows(found, _COLUMNS, "There are no such rules."))


@app.command()
def get(ref: Ref, output: Output = Form.TABLE, home: Home = None) -> None:
    """Show one rule."""
    with connect(home) as client:
        found = client.get(f"/rules/{ref}")
    show(output, found, lambda: _detail(found))


def _detail(rule: Mapping[str, Any]) -> Group:
    parts = {key: rule[key] for key in ("trigger", "criteria", "action") if rule.get(key)}
    return Group(
        facts(rule, ("ref", "description", "enabled", "metadata_file")),
        Text(""),
        Text(dumped(Form.YAML, parts)),
    )


@app.command()
def enable(ref: Ref, home: Home = None) -> None:
    """Let a rule start actions."""
    set_enabled("rules", ref, True, home)


@app.command()
def disable(ref: Ref, home: Home = None) -> None:
    """Let a rule start nothing."""
    set_enabled("rules", ref, False, home)


@app.command("test")
def try_out(
    rule: Annotated[str, typer.Argument(help="Ref of a rule, or a rule's YAML file.", metavar="RULE")],
    event: Annotated[
        str,
        typer.Argument(
            help="Id of a trigger instance, or a YAML or JSON file of trigger and payload.", metavar="EVENT"
        ),
    ],
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """Say what a rule makes of an event, criterion by criterion; nothing is started. Exits 0 when it matches."""
    body = {
        "rule": read_object(Path(rule)) if looks_like_file(rule) else rule,
        "trigger_instance": read_object(Path(event)) if looks_like_file(event) else event,
    }
    with connect(home) as client:
        found = client.post("/rules/test", body)
    show(output, found, lambda: _explained(found))
    if not found["matched"]:
        raise typer.Exit(FAILED)


def _explained(found: Mapping[str, Any]) -> Group:
    said = Text("matches", style="green") if found["matched"] else Text("does not match", style="red")
    parts: list[Any] = [
        Text.assemble((found["rule_ref"], "bold"), " ", said, ". ", str(found.get("reason", "")))
    ]
    if found.get("steps"):
        parts += [Text(""), rows(found["steps"], _STEPS, "")]
    if found.get("parameters"):
        parts += [Text("\nparameters", style="bold"), Text(dumped(Form.YAML, found["parameters"]).rstrip())]
    return Group(*parts)
