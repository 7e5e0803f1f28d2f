"""``st-ops audit``: who did what, when and why."""

from __future__ import annotations

from typing import Annotated

import typer

from st_ops.cli.client import connect
from st_ops.cli.options import Form, Home, Limit, Output
from st_ops.cli.output import Column, moment, rows, shortened, show

app = typer.Typer(name="audit", help="Who did what, when and why.", no_args_is_help=True)

_COLUMNS: tuple[Column, ...] = (
    ("at", lambda row: moment(row.get("at"))),
    ("who", lambda row: shortened(row.get("actor", ""))),
    ("did", "verb"),
    ("what", lambda row: f"{row.get('kind', '').replace('_', ' ')} {row.get('ref', '')}".strip()),
    ("task", lambda row: (row.get("detail") or {}).get("task")),
    ("id", "subject_id"),
    ("why", "reason"),
)


@app.command("list")
def list_(
    trace: Annotated[
        str | None, typer.Option(help="Everything one event led to, in order.", metavar="ID")
    ] = None,
    execution: Annotated[
        str | None,
        typer.Option(
            help="Everything of the trace this execution belongs to, in order; 'last' is the newest.",
            metavar="ID",
        ),
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Only done by this one.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind: execution, rule, key_value …")] = None,
    verb: Annotated[str | None, typer.Option(help="Only this: accepted, requested, succeeded …")] = None,
    limit: Limit = 100,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """List audit entries: a trace from its beginning, otherwise the newest first."""
    with connect(home) as client:
        if execution == "last":
            execution = client.get("/executions/last", include_attributes="id")["id"]
        found = client.get(
            "/audit", trace_id=trace, execution=execution, actor=actor, kind=kind, verb=verb, limit=limit,
            sort_asc="true" if trace or execution else None,
        )  # fmt: skip
    show(output, found, lambda: rows(found, _COLUMNS, "There are no such entries."))
