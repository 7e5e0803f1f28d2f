"""Showing one workflow while it runs: a live tree on a terminal, a tree that grows line by line elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from st_ops.demo.platform import DemoPlatform

OVER = frozenset({"succeeded", "failed", "timeout", "abandoned", "canceled"})

#: Seconds between two looks, and after which the demo gives up.
_STEP = 0.1
_LIMIT = 120.0

_MARKS = {
    "succeeded": ("✓", "green"),
    "running": ("▸", "cyan"),
    "failed": ("✗", "red"),
    "timeout": ("✗", "red"),
}
_WAITING = ("·", "dim")

#: Columns from which on there is room for the names of the actions.
_WIDE = 100
#: Cut, rather than broken into several lines.
_ONE_LINE: Any = {"no_wrap": True, "overflow": "ellipsis"}

Execution = dict[str, Any]


def watch(console: Console, platform: DemoPlatform, execution_id: str) -> Execution:
    """Show execution ``execution_id`` until it is over, and give it. Raises TimeoutError."""
    shown = _Live(console) if console.is_terminal else _Lines(console)
    end = time.monotonic() + _LIMIT
    pause = threading.Event()
    with shown:
        while True:
            workflow = platform.get(f"/executions/{execution_id}")
            tasks = platform.get(f"/executions/{execution_id}/children")
            shown.update(workflow, sorted(tasks, key=lambda task: str(task["start_timestamp"])))
            if workflow["status"] in OVER:
                return dict(workflow)
            if time.monotonic() > end:
                raise TimeoutError(f"The workflow is still {workflow['status']} after {_LIMIT:g} s.")
            pause.wait(_STEP)


class _Live:
    """The whole tree, drawn again at every change."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False)
        self._wide = console.width >= _WIDE

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._live.stop()

    def update(self, workflow: Execution, tasks: Sequence[Execution]) -> None:
        """Draw the present state."""
        lines = [_head(workflow), *(_branch(task, self._wide) for task in tasks)]
        if workflow["status"] in OVER:
            lines.append(_foot(workflow))
        for line in lines:
            line.no_wrap, line.overflow = True, "ellipsis"
        self._live.update(Group(*lines), refresh=True)


class _Lines:
    """Each task once, when it is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: set[str] = set()
        self._wide = console.width >= _WIDE

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        """Nothing is held."""

    def update(self, workflow: Execution, tasks: Sequence[Execution]) -> None:
        """Print what is new."""
        if workflow["id"] not in self._shown:
            self._shown.add(workflow["id"])
            self._console.print(_head(workflow), **_ONE_LINE)
        for task in tasks:
            if task["status"] in OVER and task["id"] not in self._shown:
                self._shown.add(task["id"])
                self._console.print(_branch(task, self._wide), **_ONE_LINE)
        if workflow["status"] in OVER:
            self._console.print(_foot(workflow), **_ONE_LINE)


def _head(workflow: Execution) -> Text:
    return Text.assemble("  ", (workflow["action"]["ref"], "bold"), (f"  {workflow['id']}", "dim"))


def _branch(task: Execution, wide: bool) -> Text:
    mark, style = _MARKS.get(task["status"], _WAITING)
    name = task.get("context", {}).get("orquesta", {}).get("task_name") or task["action"]["ref"]
    elapsed = task.get("elapsed_seconds")
    return Text.assemble(
        "  ├─ ",
        (f"{mark} ", style),
        f"{name:<26}",
        (f"{task['action']['ref']:<30}" if wide else "", "dim"),
        f"{elapsed:6.2f} s  " if elapsed is not None else " " * 10,
        (_brief(task.get("result")), style if task["status"] not in ("succeeded", "running") else ""),
    )


def _foot(workflow: Execution) -> Text:
    mark, style = _MARKS.get(workflow["status"], _WAITING)
    elapsed = workflow.get("elapsed_seconds") or 0.0
    return Text.assemble("  └─ ", (f"{mark} {workflow['status']}", style), f" in {elapsed:.2f} s")


def _brief(result: Any) -> str:
    """A result in a few words: of a machine what it printed last, else names and values that fit into words."""
    if not isinstance(result, dict):
        return "" if result is None else str(result)
    inner = result.get("result", result)
    if not isinstance(inner, dict):
        return str(inner)
    printed = [host["stdout"] for host in inner.values() if isinstance(host, dict) and "stdout" in host]
    if printed:
        return " ".join(str(text).strip().rpartition("\n")[2] for text in printed)
    return ", ".join(f"{key} {words}" for key, value in inner.items() if (words := _words(value)))


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(str(item) for item in value if not isinstance(item, dict | list))
    if isinstance(value, dict):
        states = (
            f"{name} {one['state']}"
            for name, one in value.items()
            if isinstance(one, dict) and "state" in one
        )
        return " ".join(states)
    # Of an ARN the last part says what it is.
    return str(value).rpartition(":")[2] if str(value).startswith("arn:") else str(value)
