"""``python -m tests.flow.launch up | serve STAGE…``: the platform, its settings from the environment."""

from __future__ import annotations

import sys

from st_ops.errors import UserError
from st_ops.server import serve, up
from st_ops.settings import load


def main(arguments: list[str]) -> int:
    """Run it until a signal; 1 with a sentence when it cannot start."""
    command, *stages = arguments
    try:
        if command == "up":
            up(load())
        else:
            serve(load(), stages)
    except UserError as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
