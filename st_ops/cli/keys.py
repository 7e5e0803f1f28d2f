"""``st-ops key``: the datastore."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.text import Text

from st_ops.cli.client import connect
from st_ops.cli.failures import WrongUsage
from st_ops.cli.options import Form, Home, Limit, Output
from st_ops.cli.output import Column, moment, note, rows, show

app = typer.Typer(name="key", help="The datastore.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the key.", metavar="NAME")]
Scope = Annotated[str, typer.Option(help="system or user.")]
Decrypt = Annotated[bool, typer.Option("--decrypt", help="Show a secret value.")]

_COLUMNS: tuple[Column, ...] = (
    ("name", "name"), ("value", "value"), ("secret", "secret"), ("scope", "scope"),
    ("expires", lambda row: moment(row.get("expire_timestamp"))),
)  # fmt: skip


@app.command("list")
def list_(
    prefix: Annotated[str, typer.Option(help="Only names that start so.")] = "",
    scope: Annotated[str, typer.Option(help="system, user or all.")] = "all",
    decrypt: Decrypt = False,
    limit: Limit = 1000,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """List keys."""
    with connect(home) as client:
        found = client.get("/keys", prefix=prefix, scope=scope, decrypt=decrypt, limit=limit)
    show(output, found, lambda: rows(found, _COLUMNS, "There are no such keys."))


@app.command()
def get(
    name: Name,
    scope: Scope = "system",
    decrypt: Decrypt = False,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """Print a value."""
    with connect(home) as client:
        found = client.get(f"/keys/{name}", scope=scope, decrypt=decrypt)
    show(output, found, lambda: Text(found["value"]))


@app.command("set")
def set_(
    name: Name,
    value: Annotated[
        str | None,
        typer.Argument(help="The value; left out, it is asked for, or read from a pipe.", metavar="[VALUE]"),
    ] = None,
    secret: Annotated[bool, typer.Option("--secret", help="Seal it, and mask it everywhere.")] = False,
    ttl: Annotated[float | None, typer.Option(help="Seconds until it is gone.")] = None,
    scope: Scope = "system",
    home: Home = None,
) -> None:
    """Store a value. A secret one is never an argument: others would see it in the list of processes."""
    if secret and value is not None:
        raise WrongUsage("Leave the value out with --secret: it is asked for, or read from a pipe.")
    text = _asked(name, secret) if value is None else value
    with connect(home) as client:
        client.put(f"/keys/{name}", {"value": text, "secret": secret, "ttl": ttl, "scope": scope})
    note(f"{name} is set.")


def _asked(name: str, secret: bool) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(f"Value of {name}", hide_input=secret, confirmation_prompt=secret))
    # The line break that echo and editors add is no part of the value.
    return sys.stdin.read().removesuffix("\n")


@app.command()
def delete(name: Name, scope: Scope = "system", home: Home = None) -> None:
    """Remove a key."""
    with connect(home) as client:
        client.delete(f"/keys/{name}", scope=scope)
    note(f"{name} is gone.")
