"""``st-ops artifact``: the files that executions left. Within an action it needs neither an address nor a token."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from st_ops.cli.client import Client, connect
from st_ops.cli.failures import WrongUsage
from st_ops.cli.options import Form, Home, Output
from st_ops.cli.output import Column, moment, note, rows, show
from st_ops.errors import NotFound

app = typer.Typer(name="artifact", help="Files that executions left.", no_args_is_help=True)

_COLUMNS: tuple[Column, ...] = (
    ("execution", "execution_id"), ("name", "name"), ("bytes", "size"),
    ("kept", lambda row: moment(row.get("created_at"))),
)  # fmt: skip

_ID = re.compile(r"[0-9a-f]{24}|last")

Task = Annotated[
    str | None,
    typer.Option(
        help="Of the latest run of this task in the workflow that the execution is, or is part of.",
        metavar="NAME",
    ),
]


@app.command("list")
def list_(
    execution: Annotated[
        str | None,
        typer.Argument(
            help="Id of the execution; 'last' is the newest; left out within an action, its own.",
            metavar="[EXECUTION]",
        ),
    ] = None,
    task: Task = None,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """List the files an execution left."""
    with connect(home) as client:
        found = client.get(f"/executions/{execution or _own()}/artifacts", task=task)
    show(output, found, lambda: rows(found, _COLUMNS, "It has left no artifacts."))


@app.command()
def get(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="Id of the execution (left out within an action: its own), and the artifact's name; without a name "
            "all of them.",
            metavar="[EXECUTION] [NAME]",
        ),
    ] = None,
    task: Task = None,
    target: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File or folder to write to; '-' = standard output.", metavar="PATH"
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Fetch a file that an execution left; within a workflow's task: st-ops artifact get --task build report.csv."""
    execution, name = _named(words or [], task)
    with connect(home) as client:
        path = f"/executions/{execution}/artifacts"
        found = [one for one in client.get(path, task=task) if name in ("", one["name"])]
        if not found:
            whose = f"task {task}" if task else f"execution {execution}"
            raise NotFound(
                "artifact", name or "of any name", f"'st-ops artifact list' shows what {whose} has left."
            )
        if str(target) == "-":
            if len(found) > 1 and not name:
                raise WrongUsage("Name one artifact to write to standard output.")
            client.download(_path(found[0]), sys.stdout.buffer)
            return
        # Of several runs of a task the latest comes first.
        for one in list({entry["name"]: entry for entry in reversed(found)}.values()):
            _fetch(client, one, _place(one, target, several=not name))


def _named(words: list[str], task: str | None) -> tuple[str, str]:
    """The execution and the artifact's name ("" = all) that the arguments mean."""
    if len(words) > 2:
        raise WrongUsage("Give an execution and the name of one artifact.")
    if len(words) == 2:
        return words[0], words[1]
    if words and (task is not None or not _ID.fullmatch(words[0])):
        return _own(), words[0]
    return (words[0] if words else _own()), ""


def _own() -> str:
    """The execution that this command runs in."""
    found = os.environ.get("ST_OPS_EXECUTION_ID")
    if not found:
        raise WrongUsage("Name the execution; only within an action its own can be meant.")
    return found


def _path(one: Mapping[str, Any]) -> str:
    return f"/executions/{one['execution_id']}/artifacts/{quote(one['name'])}"


def _place(one: Mapping[str, Any], target: Path | None, *, several: bool) -> Path:
    """Where to write ``one``: several go into a folder under their names, a single one is a file."""
    if several:
        # The names come from another machine: none may lead out of the folder.
        parts = [part for part in Path(one["name"]).parts if part not in ("..", "/")]
        return (target or Path()).joinpath(*parts)
    file = Path(one["name"]).name
    if target is None:
        return Path(file)
    return target / file if target.is_dir() else target


def _fetch(client: Client, one: Mapping[str, Any], place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}.part")
    try:
        with draft.open("wb") as file:
            client.download(_path(one), file)
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
    note(f"{place} ({one['size']} bytes)")
