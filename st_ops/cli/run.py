"""``st-ops run`` and ``st-ops execution re-run``: run an action, and wait for its result."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from st_ops.cli.client import Client, connect
from st_ops.cli.executions import Id, detail
from st_ops.cli.failures import WrongUsage
from st_ops.cli.options import Form, Home, Output
from st_ops.cli.output import dumped, note, show
from st_ops.cli.parameters import typed
from st_ops.cli.watching import end_with, leaving_it_running, tail, wait

Tail = Annotated[bool, typer.Option("--tail", help="Show what it prints, or a workflow's tasks, live.")]
AsJson = Annotated[bool, typer.Option("--json", help="The same as -o json.")]
Asynchronous = Annotated[bool, typer.Option("--async", help="Do not wait; print the execution's id.")]
User = Annotated[str | None, typer.Option(help="Whom it runs for (administrators).")]
Delay = Annotated[int | None, typer.Option(help="Milliseconds to hold it before it may start.")]


def run(
    ref: Annotated[str, typer.Argument(help="Ref of the action, pack.name.", metavar="REF")],
    parameters: Annotated[
        list[str] | None,
        typer.Argument(
            help="Parameters, name=value; name=@file takes a file's content.", metavar="[NAME=VALUE]..."
        ),
    ] = None,
    tail_it: Tail = False,
    as_json: AsJson = False,
    run_key: Annotated[
        str | None, typer.Option(help="Asking again with this key gives the run that exists.")
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="With --run-key: run it anew when that run ended without success.")
    ] = False,
    keep_workdir: Annotated[
        bool,
        typer.Option(
            "--keep-workdir", help="Leave the temporary folders of the runs, and say where they are."
        ),
    ] = False,
    asynchronous: Asynchronous = False,
    user: User = None,
    delay: Delay = None,
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
            "keep_workdir": keep_workdir or None,
        }  # fmt: skip
        execution = client.post("/executions", _given(body))
        if asynchronous:
            _tell_id(form, execution)
        else:
            _see_it_through(client, execution, form, tail_it and form is Form.TABLE)


def re_run(
    execution_id: Id,
    parameters: Annotated[
        list[str] | None,
        typer.Argument(help="Parameters that differ from the first run's.", metavar="[NAME=VALUE]..."),
    ] = None,
    no_merge: Annotated[
        bool, typer.Option("--no-merge", help="Take nothing over from the first run's parameters.")
    ] = False,
    tail_it: Tail = False,
    as_json: AsJson = False,
    asynchronous: Asynchronous = False,
    user: User = None,
    delay: Delay = None,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """Run the action of an execution once more, with the same parameters but for those given. Exits as 'run' does."""
    form = Form.JSON if as_json else output
    with connect(home) as client:
        ref = client.get(f"/executions/{execution_id}", include_attributes="action_ref")["action_ref"]
        given = typed(parameters, schema_of(client, ref), f"Action '{ref}'") if parameters else None
        body = {"parameters": given, "user": user, "delay": delay}
        path = f"/executions/{execution_id}/re_run"
        execution = client.request("POST", path, query={"no_merge": no_merge}, body=_given(body)).json()
        if asynchronous:
            _tell_id(form, execution)
        else:
            _see_it_through(client, execution, form, tail_it and form is Form.TABLE)


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None}


def _see_it_through(client: Client, execution: Mapping[str, Any], form: Form, live: bool) -> None:
    """Wait for its end, ``live`` or not, show it, and end the command with its exit code."""
    with leaving_it_running(execution["id"]):
        if live:
            note(f"Execution {execution['id']}")
        ended = tail(client, execution) if live else wait(client, execution["id"])
    if not live:
        show(form, ended, lambda: detail(client, ended))
    elif ended["status"] != "succeeded":
        note(f"Execution {ended['id']} {ended['status']}. {ended.get('reason', '')}".rstrip())
    if (ended.get("context") or {}).get("keep_workdir"):
        _tell_workdirs(client, ended)
    end_with(ended)


def _tell_workdirs(client: Client, execution: Mapping[str, Any]) -> None:
    """Where the temporary folders are of an execution and all that it started: their workers say so."""
    identifier = execution["id"]
    started = client.get(f"/executions/{identifier}/children", include_attributes="id")
    for one in (identifier, *(child["id"] for child in started)):
        said = client.text(f"/executions/{one}/output", output_type="output")
        for line in said.splitlines():
            note(f"{one} {line}")


def schema_of(client: Client, ref: str) -> dict[str, Any]:
    """Everything the action takes: its runner's parameters and its own."""
    return dict(client.get(f"/actions/views/parameters/{ref}")["parameters"])


def _tell_id(form: Form, execution: Mapping[str, Any]) -> None:
    if form is Form.TABLE:
        sys.stdout.write(f"{execution['id']}\n")
    else:
        sys.stdout.write(dumped(form, execution))
