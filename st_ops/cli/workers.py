"""``st-ops worker``: the processes that do the work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from st_ops.cli.client import connect
from st_ops.cli.options import Form, Home, Output
from st_ops.cli.output import Column, moment, note, rows, show

app = typer.Typer(name="worker", help="The processes that do the work.", no_args_is_help=True)

COLUMNS: tuple[Column, ...] = (
    ("id", "id"), ("kind", "kind"), ("host", "host"), ("pid", "pid"),
    ("queues", lambda row: ", ".join(row.get("queues") or [])),
    ("labels", lambda row: ", ".join(row.get("labels") or [])),
    ("running", lambda row: f"{row.get('running', 0)} of {row['slots']}" if row.get("slots") else row.get("running")),
    ("runs", lambda row: _actions(row.get("executions") or [])),
    ("draining", lambda row: "yes" if row.get("draining") else ""),
    ("since", lambda row: moment(row.get("started_at"))),
)  # fmt: skip


_RUNS: tuple[Column, ...] = (
    ("id", "id"), ("action", "action_ref"), ("status", "status"),
    ("started", lambda row: moment(row.get("start_timestamp"))),
)  # fmt: skip


def _actions(held: Sequence[Mapping[str, Any]]) -> str:
    """What a worker runs: ``core.local ×3, aws.ec2_run``."""
    counts = Counter(entry["action_ref"] for entry in held)
    return ", ".join(ref if count == 1 else f"{ref} ×{count}" for ref, count in counts.most_common())


@app.command("list")
def list_(output: Output = Form.TABLE, home: Home = None) -> None:
    """List workers, and what each runs now."""
    with connect(home) as client:
        found = client.get("/workers", limit=10_000)
    show(output, found, lambda: rows(found, COLUMNS, "There are no workers: nothing is run."))


@app.command()
def get(
    worker_id: Annotated[str, typer.Argument(help="Id of the worker.", metavar="ID")],
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """Show one worker and every execution it runs."""
    with connect(home) as client:
        found = client.get(f"/workers/{worker_id}")
    show(
        output,
        found,
        lambda: Group(
            rows([found], COLUMNS, ""), Text(""), rows(found["executions"], _RUNS, "It runs nothing.")
        ),
    )


@app.command()
def drain(
    worker_id: Annotated[str, typer.Argument(help="Id of the worker.", metavar="ID")], home: Home = None
) -> None:
    """Let a worker take no more work and end what it has."""
    with connect(home) as client:
        client.post(f"/workers/{worker_id}/drain")
    note(f"Worker {worker_id} takes no more work.")


@app.command()
def resume(
    worker_id: Annotated[str, typer.Argument(help="Id of the worker.", metavar="ID")], home: Home = None
) -> None:
    """Let a worker that drains take work again."""
    with connect(home) as client:
        client.post(f"/workers/{worker_id}/resume")
    note(f"Worker {worker_id} takes work again.")
