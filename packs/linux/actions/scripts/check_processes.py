#!/usr/bin/env python3
"""Print the processes that fit as JSON: SEARCH (state, name or pid) CRITERIA."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def describe(folder: Path) -> dict[str, object] | None:
    try:
        stat = (folder / "stat").read_text("utf-8", "replace")
        command = (folder / "cmdline").read_text("utf-8", "replace").replace("\0", " ").strip()
    except OSError:  # it ended while we looked
        return None
    name, _, rest = stat.partition("(")[2].rpartition(")")
    fields = rest.split()
    return {
        "pid": int(folder.name),
        "name": name,
        "state": fields[0],
        "ppid": int(fields[1]),
        "command": command,
    }


def fits(process: dict[str, object], search: str, criteria: str) -> bool:
    if not criteria:
        return True
    value = str(process[search])
    return criteria in value if search == "name" else value == criteria


def main(arguments: list[str]) -> None:
    search, criteria = [*arguments, "", ""][:2]
    folders = (folder for folder in Path("/proc").iterdir() if folder.name.isdigit())
    found = (process for process in map(describe, folders) if process)
    print(json.dumps([process for process in found if fits(process, search or "name", criteria)]))


if __name__ == "__main__":
    main(sys.argv[1:])
