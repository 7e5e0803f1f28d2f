"""``st-ops run``: run an action, and wait for its result."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from st_ops.cli.client import Client, connect
from st_ops.cli.executions import detail
from st_ops.cli.failures import WrongUsage
from st_ops.cli.options import Form, Home, Output
from st_ops.cli.output import dumped, note, show
from st_ops.cli.parameters import typed
from st_ops.cli.watching import end_with, leaving_it_running, tail, wait


def run(
    ref: Annotated[str, typer.Argument(help="Ref of the action, pack.name.", metavar="REF")],
    parameters: Annotated[
        list[str] | None,
        typer.Argument(
            help="Parameters, name=value; name=@file takes a file's content.", metavar="[NAME=VALUE]..."
        ),
    ] = None,
    tail_it: Annotated[
        bool, typer.Option("--tail", help="Show what it prints, or a workflow's tasks, live.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as -o json.")] = False,
    run_key: Annotated[
        str | None, typer.Option(help="Asking again with this key gives the run that exists.")
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="With --run-key: run it anew when that run ended without success.")
    ] = False,
    asynchronous: Annotated[
        bool, typer.Option("--async", help="Do not wait; print the execution's id.")
    ] = False,
    user: Annotated[str | None, typer.Option(help="Whom it runs for (administrators).")] = None,
    delay: Annotated[int | None, typer.Option(help="Milliseconds to hold it before it may start.")] = None,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """Run an action and wait for its result. Exits 0 only when it succeeded."""
    form = Form.JSON if as_json else output
    if retry and run_key is None:
        raise WrongUsage("--retry needs --run-key: it takes over the key of the run that failed.")
    with connect(home) as client:
        body = {
            "action": ref, "parameters": typed(parameters or [], schema_of(client, ref), f"Action '{ref}'"),
            "run_key": run_key, "retry": retry or None, "user": user, "delay": delay,
        }  # fmt: skip
        execution = client.post(
            "/executions", {key: value for key, value in body.items() if value is not None}
        )
        if asynchronous:
            _tell_id(form, execution)
            return
        with leaving_it_running(execution["id"]):
            if tail_it and form is Form.TABLE:
                note(f"Execution {execution['id']}")
            ended = (
                tail(client, execution) if tail_it and form is Form.TABLE else wait(client, execution["id"])
            )
        if not (tail_it and form is Form.TABLE):
            show(form, ended, lambda: detail(client, ended))
        elif ended["status"] != "succeeded":
            note(f"Execution {ended['id']} {ended['status']}. {ended.get('reason', '')}".rstrip())
        end_with(ended)


def schema_of(client: Client, ref: str) -> dict[str, Any]:
    """Everything the action takes: its runner's parameters and its own."""
    return dict(client.get(f"/actions/views/parameters/{ref}")["parameters"])


def _tell_id(form: Form, execution: Mapping[str, Any]) -> None:
    if form is Form.TABLE:
        sys.stdout.write(f"{execution['id']}\n")
    else:
        sys.stdout.write(dumped(form, execution))
