"""``st-ops pack``: where content comes from, and whether it is right."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.text import Text

from st_ops.cli.client import connect
from st_ops.cli.failures import FAILED
from st_ops.cli.options import Form, Home, Output
from st_ops.cli.output import Column, console, dumped, facts, note, rows, show

app = typer.Typer(name="pack", help="Where content comes from.", no_args_is_help=True)

_COLUMNS: tuple[Column, ...] = (
    ("ref", "ref"), ("version", "version"), ("problems", lambda row: len(row.get("problems") or []) or None),
    ("description", "description"),
)  # fmt: skip
_PROBLEMS: tuple[Column, ...] = (
    ("file", lambda row: f"{row.get('path')}:{row['line']}" if row.get("line") else row.get("path")),
    ("key", "key"), ("problem", "message"),
)  # fmt: skip


@app.command("list")
def list_(output: Output = Form.TABLE, home: Home = None) -> None:
    """List packs."""
    with connect(home) as client:
        found = client.get("/packs", limit=10_000)
    show(output, found, lambda: rows(found, _COLUMNS, "There are no packs."))


@app.command()
def get(
    ref: Annotated[str, typer.Argument(help="Ref of the pack.", metavar="PACK")],
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """Show one pack: what it has, and what is wrong in it."""
    with connect(home) as client:
        found = client.get(f"/packs/{ref}")
    show(output, found, lambda: _detail(found))


def _detail(pack: Mapping[str, Any]) -> Group:
    parts: list[Any] = [
        facts(pack, ("ref", "description", "version", "author", "keywords", "dependencies")),
        Text(""),
    ]
    content = {kind: "\n".join(refs) for kind, refs in (pack.get("content") or {}).items()}
    parts.append(facts(content, tuple(content)))
    if pack.get("problems"):
        parts += [Text("\nproblems", style="bold red"), rows(pack["problems"], _PROBLEMS, "")]
    return Group(*parts)


@app.command()
def reload(
    refs: Annotated[
        list[str] | None, typer.Argument(help="Which packs; none: all.", metavar="[PACK]...")
    ] = None,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """Read packs anew from their folders. Exits 1 when something in them is wrong; the rest is registered."""
    with connect(home) as client:
        done = client.post("/packs/register", {"packs": refs or []})
    show(output, done, lambda: _reloaded(done))
    if any(problem.get("severity", "error") == "error" for problem in done.get("problems", [])):
        raise typer.Exit(FAILED)


def _reloaded(done: Mapping[str, Any]) -> Group:
    counts = {key: value for key, value in done.items() if key != "problems"}
    return Group(facts(counts, tuple(counts)), rows(done.get("problems", []), _PROBLEMS, "Nothing is wrong."))


@app.command()
def check(
    folders: Annotated[
        list[Path], typer.Argument(help="A pack's folder, or a folder of packs.", metavar="DIR...")
    ],
    import_code: Annotated[
        bool, typer.Option("--import", help="Also import every Python entry point.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Say what is wrong in packs, with file, line and key. Needs no server. Exits 1 on any fault."""
    from st_ops.packs.check import check as check_packs

    report = check_packs(folders, import_code)
    if as_json:
        sys.stdout.write(dumped(Form.JSON, report.to_json()))
    else:
        _tell(report.to_json()["files"])
    if not report.ok:
        raise typer.Exit(FAILED)


def _tell(files: list[dict[str, Any]]) -> None:
    out = console()
    for file in files:
        for severity, style in (("errors", "red"), ("warnings", "yellow")):
            for problem in file[severity]:
                place = f"{file['pack']}/{file['path']}" + (f":{problem['line']}" if problem["line"] else "")
                key = f"{problem['key']}: " if problem["key"] else ""
                line = Text.assemble(
                    (place, "bold"), ": ", (severity[:-1], style), ": ", key, problem["message"]
                )
                out.print(line, soft_wrap=True)
    wrong = sum(not file["ok"] for file in files)
    note(
        f"{len(files)} files checked, {wrong} of them with errors."
        if wrong
        else f"{len(files)} files are right."
    )
