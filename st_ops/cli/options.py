"""Options that many commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Form(StrEnum):
    """How an answer is printed: a table for people, JSON or YAML for programs."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="Home folder of the platform (else ST_OPS_URL and ST_OPS_TOKEN, ST_OPS_HOME, ~/.st-ops).",
        metavar="DIR",
        show_default=False,
    ),
]
#: Of commands that run the platform: they go to no server.
OwnHome = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="Home folder of the platform (else ST_OPS_HOME, ~/.st-ops).",
        metavar="DIR",
        show_default=False,
    ),
]
Output = Annotated[Form, typer.Option("--output", "-o", help="table for people, json or yaml for programs.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="Most rows.")]
