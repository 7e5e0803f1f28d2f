"""``st-ops trigger`` and ``st-ops trigger-instance``: kinds of event, and events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from st_ops.cli.client import Client, connect
from st_ops.cli.failures import Refused
from st_ops.cli.files import read_object
from st_ops.cli.options import Form, Home, Limit, Output
from st_ops.cli.output import Column, dumped, facts, moment, rows, show
from st_ops.cli.parameters import typed

app = typer.Typer(name="trigger", help="Kinds of event.", no_args_is_help=True)
instances = typer.Typer(name="trigger-instance", help="Events that were accepted.", no_args_is_help=True)

_COLUMNS: tuple[Column, ...] = (("ref", "ref"), ("type", "type"), ("parameters", "parameters"))
_TYPES: tuple[Column, ...] = (("ref", "ref"), ("description", "description"))
_INSTANCES: tuple[Column, ...] = (
    ("id", "id"), ("trigger", "trigger"), ("at", lambda row: moment(row.get("occurrence_time"))),
    ("status", "status"), ("source", "source"), ("repeats", lambda row: row.get("repeats") or None),
)  # fmt: skip


@app.command("list")
def list_(
    pack: Annotated[str | None, typer.Option(help="Only of this pack.")] = None,
    triggers: Annotated[
        bool, typer.Option("--with-parameters", help="Also what rules made of them by giving parameters.")
    ] = False,
    limit: Limit = 10_000,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """List trigger types."""
    with connect(home) as client:
        found = client.get("/triggers" if triggers else "/triggertypes", pack=pack, limit=limit)
    show(output, found, lambda: rows(found, _COLUMNS if triggers else _TYPES, "There are no trigger types."))


@app.command()
def get(
    ref: Annotated[str, typer.Argument(help="Ref of a trigger type.", metavar="REF")],
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """Show one trigger type: its parameters and its payload."""
    with connect(home) as client:
        found = client.get(f"/triggertypes/{ref}")
    show(output, found, lambda: _type_detail(found))


def _type_detail(found: Mapping[str, Any]) -> Group:
    schemas = {key: found[key] for key in ("parameters_schema", "payload_schema") if found.get(key)}
    return Group(
        facts(found, ("ref", "description", "metadata_file")), Text(""), Text(dumped(Form.YAML, schemas))
    )


@app.command()
def emit(
    ref: Annotated[str, typer.Argument(help="Ref of the trigger.", metavar="REF")],
    payload: Annotated[
        list[str] | None, typer.Argument(help="The payload, name=value.", metavar="[NAME=VALUE]...")
    ] = None,
    payload_file: Annotated[
        Path | None, typer.Option("--payload", help="The payload as a YAML or JSON file.", metavar="FILE")
    ] = None,
    delivery: Annotated[str | None, typer.Option(help="Emitting again under this id does nothing.")] = None,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """Send an event in. It is on disk when this returns."""
    with connect(home) as client:
        content = read_object(payload_file) if payload_file else {}
        content |= typed(payload or [], _payload_schema(client, ref), f"Trigger '{ref}'", closed=False)
        headers = {"X-Delivery-Id": delivery} if delivery else {}
        answer = client.post("/webhooks/st2", {"trigger": ref, "payload": content}, headers=headers)
    again = " It had been accepted before." if answer["duplicate"] else ""
    show(output, answer, lambda: Text(f"Trigger instance {answer['id']}.{again}"))


def _payload_schema(client: Client, ref: str) -> dict[str, Any]:
    """The types of the payload's attributes; {} for a trigger with parameters, whose type we do not know."""
    try:
        schema = client.get(f"/triggertypes/{ref}").get("payload_schema") or {}
    except Refused as exc:
        if exc.status != 404:
            raise
        return {}
    properties = schema.get("properties")
    return dict(properties) if isinstance(properties, dict) else {}


@instances.command("list")
def list_instances(
    trigger: Annotated[
        str | None, typer.Option(help="Only of this trigger type, with any parameters.")
    ] = None,
    status: Annotated[str | None, typer.Option(help="pending, processed or processing_failed.")] = None,
    limit: Limit = 50,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """List events, newest first."""
    with connect(home) as client:
        found = client.get("/triggerinstances", trigger_type=trigger, status=status, limit=limit)
    show(output, found, lambda: rows(found, _INSTANCES, "There are no such events."))


@instances.command("get")
def get_instance(
    instance_id: Annotated[str, typer.Argument(help="Id of the event.", metavar="ID")],
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """Show one event, and what the rules made of it."""
    with connect(home) as client:
        found = client.get(f"/triggerinstances/{instance_id}")
        found["enforcements"] = client.get("/ruleenforcements", trigger_instance=instance_id)
    show(output, found, lambda: _instance_detail(found))


_ENFORCEMENTS: tuple[Column, ...] = (
    ("rule", lambda row: (row.get("rule") or {}).get("ref")), ("status", "status"), ("execution", "execution_id"),
    ("reason", "failure_reason"),
)  # fmt: skip


def _instance_detail(found: Mapping[str, Any]) -> Group:
    names = (
        "id",
        "trigger",
        "occurrence_time",
        "status",
        "source",
        "series",
        "episode",
        "repeats",
        "trace_tag",
    )
    return Group(
        facts(found, names),
        Text("\npayload", style="bold"),
        Text(dumped(Form.YAML, found.get("payload") or {}).rstrip() + "\n"),
        rows(found["enforcements"], _ENFORCEMENTS, "No rule matched it."),
    )
