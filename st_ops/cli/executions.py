"""``st-ops execution``: what ran and runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.syntax import Syntax
from rich.text import Text

from st_ops.cli import waiting
from st_ops.cli.client import Client, connect
from st_ops.cli.failures import FAILED, WrongUsage
from st_ops.cli.options import Form, Home, Limit, Output
from st_ops.cli.output import Column, dumped, duration, facts, moment, note, rows, show
from st_ops.cli.tree import Watcher, draw, essence
from st_ops.cli.watching import WORKFLOW_RUNNERS, end_with, leaving_it_running, tail

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
    all_: Annotated[
        bool, typer.Option("--all", help="The tasks of workflows too, as with any of the options above.")
    ] = False,
    limit: Limit = 50,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """List executions, newest first. Tasks of workflows are listed only when something particular is asked for."""
    filters = {
        "action": action, "status": status, "rule": rule, "trigger_instance": trigger_instance, "run_key": run_key,
    }  # fmt: skip
    tasks_too = all_ or any(filters.values())
    with connect(home) as client:
        found = client.get(
            "/executions", **filters, parent=None if tasks_too else "null", limit=limit,
            include_attributes=_LISTED if output is Form.TABLE else None,
        )  # fmt: skip
    show(output, found, lambda: rows(found, _COLUMNS, "There are no such executions."))
    if output is Form.TABLE and found and not all_:
        note(
            "Tasks of workflows are among them."
            if tasks_too
            else "Without the tasks of workflows: see --all."
        )


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


app.command("wait")(waiting.wait_)
app.command("status")(waiting.status)


@app.command()
def resolve(
    execution_id: Id,
    outcome: Annotated[str, typer.Option("--as", help="What really became of it: succeeded or failed.")],
    why: Annotated[str, typer.Option(help="How you know; it goes into the audit log.")],
    result: Annotated[str | None, typer.Option(help="Its result, as JSON.")] = None,
    home: Home = None,
) -> None:
    """Say how an execution ended whose outcome the platform does not know (abandoned or pending)."""
    body = {"as": outcome, "why": why} | ({} if result is None else {"result": _json(result)})
    with connect(home) as client:
        answer = client.post(f"/executions/{execution_id}/resolve", body)
    note(f"Execution {answer['id']} is {answer['status']}.")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise WrongUsage(f"--result is not valid JSON: {exc}.") from exc


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
