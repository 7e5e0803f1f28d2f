"""One finding of an inspection, in StackStorm's form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Entry = dict[str, Any]

#: The schema path of a task.
TASK_SCHEMA = "properties.tasks.patternProperties.^\\w+$"


def entry(kind: str, message: str, spec_path: str | None, schema_path: str | None) -> Entry:
    """A finding: what is wrong, where in the workflow, and which part of the schema says so."""
    return {"type": kind, "message": message, "spec_path": spec_path, "schema_path": schema_path}


def dotted(path: Iterable[str | int]) -> str:
    """``a.b[0]`` for ("a", "b", 0)."""
    made = ""
    for part in path:
        made += f"[{part}]" if isinstance(part, int) else f".{part}" if made else part
    return made
