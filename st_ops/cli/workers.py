"""``st-ops worker``: the processes that do the work."""

from __future__ import annotations

from typing import Annotated

import typer

from st_ops.cli.client import connect
from st_ops.cli.options import Form, Home, Output
from st_ops.cli.output import Column, moment, note, rows, show

app = typer.Typer(name="worker", help="The processes that do the work.", no_args_is_help=True)

COLUMNS: tuple[Column, ...] = (
    ("id", "id"), ("kind", "kind"), ("host", "host"), ("pid", "pid"),
    ("queues", lambda row: ", ".join(row.get("queues") or [])),
    ("labels", lambda row: ", ".join(row.get("labels") or [])),
    ("running", lambda row: f"{row.get('running', 0)} of {row['slots']}" if row.get("slots") else row.get("running")),
    ("draining", lambda row: "yes" if row.get("draining") else ""),
    ("since", lambda row: moment(row.get("started_at"))),
)  # fmt: skip


@app.command("list")
def list_(output: Output = Form.TABLE, home: Home = None) -> None:
    """List workers."""
    with connect(home) as client:
        found = client.get("/workers", limit=10_000)
    show(output, found, lambda: rows(found, COLUMNS, "There are no workers: nothing is run."))


@app.command()
def drain(
    worker_id: Annotated[str, typer.Argument(help="Id of the worker.", metavar="ID")], home: Home = None
) -> None:
    """Let a worker take no more work and end what it has."""
    with connect(home) as client:
        client.post(f"/workers/{worker_id}/drain")
    note(f"Worker {worker_id} takes no more work.")
