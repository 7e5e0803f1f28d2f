"""``st-ops up`` and ``st-ops serve``: run the platform, whole or some stages of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from st_ops.cli.options import OwnHome

Bind = Annotated[str | None, typer.Option(help="Address the API listens on.", show_default="127.0.0.1")]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Its port; 0 picks a free one.", show_default="9101")
]
Packs = Annotated[
    list[Path] | None, typer.Option(help="A folder of packs, beside the shipped ones; may be repeated.")
]
Dev = Annotated[
    bool,
    typer.Option(
        "--dev", help="Read packs anew when their files change, and new ones; say what is wrong in them."
    ),
]


def up(
    bind: Bind = None, port: Port = None, packs: Packs = None, dev: Dev = False, home: OwnHome = None
) -> None:
    """Run the whole platform until Ctrl-C."""
    from st_ops import server
    from st_ops.settings import load

    server.up(load(_overrides(home, bind, port, packs)), dev=dev)


def serve(
    stages: Annotated[
        list[str],
        typer.Argument(
            help="runner, workflows, rules, schedules, sensors, api; one or several.", metavar="STAGE..."
        ),
    ],
    bind: Bind = None,
    port: Port = None,
    packs: Packs = None,
    queue: Annotated[
        list[str] | None, typer.Option(help="runner: a queue to take work from; may be repeated.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="runner: a label it offers, name=value; may be repeated.")
    ] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="runner: actions at the same time.")] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Without api: port of GET /metrics.", show_default="none"),
    ] = None,
    home: OwnHome = None,
) -> None:
    """Run stages until told to stop; any number of processes of each, on any number of hosts."""
    from st_ops import server
    from st_ops.settings import load

    worker = {"queues": queue or None, "labels": label or None, "slots": slots}
    given = {**_overrides(home, bind, port, packs), "worker": worker, "metrics": {"port": metrics_port}}
    server.serve(load(given), stages)


def _overrides(
    home: Path | None, bind: str | None, port: int | None, packs: list[Path] | None
) -> dict[str, Any]:
    dirs = [str(folder.expanduser().absolute()) for folder in packs] if packs else None
    return {"home": home, "server": {"bind": bind, "port": port}, "packs": {"dirs": dirs}}
