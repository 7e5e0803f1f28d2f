"""``st-ops``: the command line, put together.

Exit codes: see ``st_ops.cli.failures``. Only an error that is the user's to mend is shown as a sentence; anything
else is a bug and shows its traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import st_ops
from st_ops.cli import (
    actions,
    artifacts,
    audit,
    executions,
    inquiries,
    keys,
    packs,
    rules,
    run,
    sensors,
    serve,
    status,
    triggers,
    workers,
)
from st_ops.cli.failures import exit_code_of
from st_ops.cli.output import note
from st_ops.errors import UserError

app = typer.Typer(
    name="st-ops",
    help="Event-driven operations automation: sensors, rules and workflows.\n\n"
    "Exit codes: 0 success, 1 what was asked failed, 2 wrong usage, 3 no server, 4 not over yet, 5 no such run, "
    "130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS = (serve.up, serve.serve, run.run, status.status)
GROUPS = (
    executions.app, inquiries.app, artifacts.app, actions.app, rules.app, triggers.app, triggers.instances, sensors.app,
    packs.app, keys.app, audit.app, workers.app,
)  # fmt: skip

for command in COMMANDS:
    app.command()(command)
# Beside `run`, whose way of showing things it shares.
executions.app.command("re-run")(run.re_run)
for group in GROUPS:
    app.add_typer(group)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"st_ops {st_ops.__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every command. ``--home DIR`` may stand anywhere."""


def home_last(arguments: Sequence[str]) -> list[str]:
    """``--home`` may stand before the command too: it is moved behind it, where each command takes it."""
    given = list(arguments)
    for index, argument in enumerate(given):
        if not argument.startswith("-"):
            break
        width = 1 if argument.startswith("--home=") else 2 if argument == "--home" else 0
        if width:
            option, rest = given[index : index + width], given[:index] + given[index + width :]
            end = rest.index("--") if "--" in rest else len(rest)
            return rest[:end] + option + rest[end:]
    return given


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; always ends with SystemExit."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        app(args=home_last(given), prog_name="st-ops")
    except UserError as exc:
        note(f"Error: {exc}")
        sys.exit(exit_code_of(exc))
