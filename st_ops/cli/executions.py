"""``st-ops execution``: what ran and runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.syntax import Syntax
from rich.text import Text

from st_ops.cli.client import Client, connect
from st_ops.cli.failures import FAILED, WrongUsage
from st_ops.cli.options import Form, Home, Limit, Output
from st_ops.cli.output import Column, dumped, duration, facts, moment, note, rows, show
from st_ops.cli.tree import Watcher, draw, essence, name_of
from st_ops.cli.watching import WORKFLOW_RUNNERS, end_with, leaving_it_running, tail, wait
from st_ops.errors import NotFound

app = typer.Typer(name="execution", help="What ran and runs.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="Id of the execution; 'last' is the newest.", metavar="ID")]

_COLUMNS: tuple[Column, ...] = (
    ("id", "id"),
    ("action", "action_ref"),
    ("status", "status"),
    ("started", lambda row: moment(row.get("start_timestamp"))),
    ("took", lambda row: duration(row.get("elapsed_seconds"))),
    ("by", lambda row: row.get("rule_ref") or (row.get("context") or {}).get("user")),
)
_LISTED = "action_ref,status,start_timestamp,elapsed_seconds,rule_ref,context.user"
_FACTS = (
    "id", "action_ref", "status", "reason", "parameters", "user", "rule_ref", "trigger_instance_id", "run_key",
    "parent", "queue", "attempt", "worker", "started", "ended", "took",
)  # fmt: skip


@app.command("list")
def list_(
    action: Annotated[str | None, typer.Option(help="Only of this action.")] = None,
    status: Annotated[str | None, typer.Option(help="Only these, separated by commas.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only started by this rule.")] = None,
    trigger_instance: Annotated[str | None, typer.Option(help="Only started by this event.")] = None,
    run_key: Annotated[str | None, typer.Option(help="Only with this run key.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="The tasks of workflows too.")] = False,
    limit: Limit = 50,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """List executions, newest first."""
    with connect(home) as client:
        found = client.get(
            "/executions", action=action, status=status, rule=rule, trigger_instance=trigger_instance, run_key=run_key,
            parent=None if all_ else "null", limit=limit, include_attributes=_LISTED if output is Form.TABLE else None,
        )  # fmt: skip
    show(output, found, lambda: rows(found, _COLUMNS, "There are no such executions."))


@app.command()
def get(execution_id: Id, output: Output = Form.TABLE, home: Home = None) -> None:
    """Show one execution: its parameters, its tasks, its result."""
    with connect(home) as client:
        found = client.get(f"/executions/{execution_id}")
        show(output, found, lambda: detail(client, found))


@app.command("tail")
def tail_(execution_id: Id, home: Home = None) -> None:
    """Show an execution while it runs; Ctrl-C leaves it running. Exits 0 only when it succeeded."""
    with connect(home) as client:
        found = client.get(f"/executions/{execution_id}")
        with leaving_it_running(found["id"]):
            ended = tail(client, found)
        end_with(ended)


@app.command()
def cancel(execution_id: Id, home: Home = None) -> None:
    """Stop an execution and everything it started."""
    with connect(home) as client:
        answer = client.delete(f"/executions/{execution_id}")
    if "faultstring" in answer:
        note(answer["faultstring"])
        raise typer.Exit(FAILED)
    note(f"Execution {answer['id']} is {answer['status']}.")


@app.command()
def pause(execution_id: Id, home: Home = None) -> None:
    """Let a workflow start no further tasks."""
    _ask(home, execution_id, "pausing")


@app.command()
def resume(execution_id: Id, home: Home = None) -> None:
    """Let a paused workflow go on."""
    _ask(home, execution_id, "resuming")


def _ask(home: Home, execution_id: str, status: str) -> None:
    with connect(home) as client:
        answer = client.put(f"/executions/{execution_id}", {"status": status})
    note(f"Execution {answer['id']} is {answer['status']}.")


@app.command()
def output(
    execution_id: Id,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it is over.")] = False,
    stream: Annotated[str, typer.Option(help="stdout, stderr, output or all.")] = "all",
    home: Home = None,
) -> None:
    """Print what an execution printed."""
    with connect(home) as client:
        if not follow:
            sys.stdout.write(client.text(f"/executions/{execution_id}/output", output_type=stream))
            return
        with leaving_it_running(execution_id):
            path = f"/executions/{execution_id}/output"
            for name, data in client.events(path, follow="true", output_type=stream):
                if name != "EOF":
                    sys.stdout.write(data["data"])
                    sys.stdout.flush()


@app.command("wait")
def wait_(
    execution_id: Annotated[str | None, typer.Argument(help="Id of the execution.", metavar="[ID]")] = None,
    action: Annotated[
        str | None, typer.Option(help="Ref of the action, with --run-key instead of an id.")
    ] = None,
    run_key: Annotated[str | None, typer.Option(help="The key it was run with.")] = None,
    task: Annotated[str | None, typer.Option(help="Wait for this task of the workflow.")] = None,
    duration_: Annotated[
        str | None, typer.Option("--for", help="How long at most, such as 30s or 10m.")
    ] = None,
    form: Annotated[Form, typer.Option("--output", "-o")] = Form.TABLE,
    home: Home = None,
) -> None:
    """Wait until an execution is over. Exits 0 only when it succeeded."""
    seconds = _seconds(duration_)
    with connect(home) as client:
        identifier = _identify(client, execution_id, action, run_key, task)
        with leaving_it_running(identifier):
            try:
                ended = wait(client, identifier, seconds)
            except TimeoutError as exc:
                note(str(exc))
                raise typer.Exit(FAILED) from None
        show(form, ended, lambda: Text(f"Execution {ended['id']} {ended['status']}."))
        end_with(ended)


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    from st_ops.sdk import durations

    try:
        return durations.seconds(text)
    except ValueError as exc:
        raise WrongUsage(f"--for: {exc}") from exc


def _identify(
    client: Client, execution_id: str | None, action: str | None, run_key: str | None, task: str | None
) -> str:
    if (execution_id is None) == (action is None or run_key is None):
        raise WrongUsage("Give either an execution's id, or both --action and --run-key.")
    if execution_id is None:
        found = client.get("/executions", action=action, run_key=run_key, limit=1, include_attributes="id")
        if not found:
            raise NotFound("execution", f"{action} with run key {run_key}")
        execution_id = str(found[0]["id"])
    if task is None:
        return execution_id
    children = client.get(f"/executions/{execution_id}/children", include_attributes="task,action_ref")
    for child in reversed(children):
        if (child.get("task") or {}).get("name") == task:
            return str(child["id"])
    raise NotFound("task", task, f"So far there are: {', '.join(map(name_of, children)) or 'none'}.")


def detail(client: Client, execution: Mapping[str, Any]) -> Group:
    """One execution for people."""
    parts: list[Any] = [facts(_facts_of(execution), _FACTS)]
    if (execution.get("runner") or {}).get("name") in WORKFLOW_RUNNERS:
        parts += [Text(""), draw(Watcher(client, execution["id"]).look())]
    wanted = essence(execution.get("result"))
    if wanted not in ("", None):
        text = wanted if isinstance(wanted, str) else dumped(Form.YAML, wanted)
        parts += [
            Text("\nresult", style="bold"),
            Text(text.rstrip()) if isinstance(wanted, str) else _yaml(text),
        ]
    return Group(*parts)


def _facts_of(execution: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **execution,
        "user": (execution.get("context") or {}).get("user"),
        "started": moment(execution.get("start_timestamp")),
        "ended": moment(execution.get("end_timestamp")),
        "took": duration(execution.get("elapsed_seconds")),
        "attempt": execution.get("attempt") if (execution.get("attempt") or 0) > 1 else None,
    }


def _yaml(text: str) -> Syntax:
    return Syntax(text.rstrip(), "yaml", background_color="default", word_wrap=True)
