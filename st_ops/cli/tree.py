"""A workflow as a tree: each task with its status, duration and result; live while it runs.

On a terminal the tree is drawn anew in place; elsewhere each change of a status is one line.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from st_ops.cli.client import Api
from st_ops.cli.output import COLOURS, compact, duration

#: Statuses that are never left.
OVER = frozenset({"succeeded", "failed", "timeout", "abandoned", "canceled"})

#: Status → the sign before a task's name.
_SIGNS = {
    "succeeded": "✓", "failed": "✗", "timeout": "✗", "abandoned": "?", "canceled": "⊘", "running": "●", "paused": "‖",
    "pending": "‖",
}  # fmt: skip

#: Seconds between two looks.
_STEP = 0.15
#: What is asked about each execution; its result only once it is over.
_ATTRIBUTES = "status,action_ref,task,parent,created_at,start_timestamp,end_timestamp,reason,result_size"

#: Results larger than this (bytes) are not fetched for one line.
_LARGE = 65_536


@dataclass
class Workflow:
    """What is known of one execution and all that it started, at one moment."""

    root: dict[str, Any]
    tasks: list[dict[str, Any]] = field(default_factory=list)
    #: execution id → its result, of those that are over.
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """True when the root is over."""
        return self.root["status"] in OVER

    def children_of(self, identifier: str) -> list[dict[str, Any]]:
        """Its direct children, in the order they were requested."""
        return [task for task in self.tasks if task.get("parent") == identifier]


class Watcher:
    """Looks at one execution again and again."""

    def __init__(self, api: Api, execution_id: str) -> None:
        self._api = api
        self._id = execution_id
        self._results: dict[str, Any] = {}

    def look(self) -> Workflow:
        """The present state. The root is read first: once it is over, its tasks are too."""
        root = self._api.get(f"/executions/{self._id}", include_attributes=_ATTRIBUTES)
        tasks = self._api.get(f"/executions/{root['id']}/children", include_attributes=_ATTRIBUTES)
        for entry in (*tasks, root):
            self._fetch_result(entry)
        return Workflow(root, tasks, dict(self._results))

    def _fetch_result(self, entry: Mapping[str, Any]) -> None:
        identifier = entry["id"]
        if entry["status"] not in OVER or identifier in self._results:
            return
        if entry.get("result_size", 0) > _LARGE:
            self._results[identifier] = f"{entry['result_size']} bytes"
        else:
            self._results[identifier] = self._api.get(f"/executions/{identifier}/attribute/result")


def follow(
    api: Api, execution_id: str, console: Console, *, seconds: float | None = None, step: float = _STEP
) -> dict[str, Any]:
    """Show ``execution_id`` until it is over, and answer its attributes (``status``, ``id`` …).

    Raises TimeoutError after ``seconds``; whatever ``api`` raises passes through. Interrupting it leaves the
    execution running.
    """
    watcher = Watcher(api, execution_id)
    end = None if seconds is None else time.monotonic() + seconds
    if console.is_terminal:
        with Live(console=console, refresh_per_second=8, vertical_overflow="visible") as live:
            return _until_over(watcher, lambda state: live.update(draw(state, console.width)), end, step)
    lines = _Lines(console)
    return _until_over(watcher, lines.tell, end, step)


def _until_over(
    watcher: Watcher, tell: Callable[[Workflow], None], end: float | None, step: float
) -> dict[str, Any]:
    pause = threading.Event()
    while True:
        state = watcher.look()
        tell(state)
        if state.over:
            return {**state.root, "result": state.results.get(state.root["id"])}
        if end is not None and time.monotonic() > end:
            raise TimeoutError(f"Execution {state.root['id']} is still {state.root['status']}.")
        pause.wait(step)


def draw(state: Workflow, width: int = 100) -> Tree:
    """The tree of one moment, each line at most ``width`` wide."""
    names = [name_of(task) for task in state.tasks] or [""]
    longest = min(max(map(len, names)), 40)
    tree = Tree(_root_line(state, width), guide_style="dim")
    _add(tree, state, state.root["id"], longest, width)
    return tree


def _add(tree: Tree, state: Workflow, parent: str, longest: int, width: int, depth: int = 1) -> None:
    for task in state.children_of(parent):
        branch = tree.add(_task_line(task, state, longest, width - 4 * depth))
        _add(branch, state, task["id"], longest, width, depth + 1)


def _root_line(state: Workflow, width: int) -> Text:
    root = state.root
    line = Text.assemble(
        sign(root["status"]), " ", (root.get("action_ref", ""), "bold"), "  ",
        (root["status"], COLOURS.get(root["status"], "")), "  ", (duration(elapsed(root)), "dim"), "  ",
        (root["id"], "dim"),
    )  # fmt: skip
    return _with_outcome(line, root, state, width)


def _task_line(task: Mapping[str, Any], state: Workflow, longest: int, width: int) -> Text:
    status = task["status"]
    line = Text.assemble(
        sign(status), " ", (f"{name_of(task):<{longest}}", "bold"), "  ", (f"{status:<9}", COLOURS.get(status, "")),
        "  ", (f"{duration(elapsed(task)):>8}", "dim"), "  ", (task.get("action_ref", ""), "dim"),
    )  # fmt: skip
    return _with_outcome(line, task, state, width)


def _with_outcome(line: Text, entry: Mapping[str, Any], state: Workflow, width: int) -> Text:
    outcome = outcome_of(entry, state.results.get(entry["id"]))
    room = width - line.cell_len - 2
    if outcome and room > 12:
        style = "red" if entry["status"] in ("failed", "timeout", "abandoned") else ""
        line.append("  ").append(compact(outcome, room), style=style)
    line.no_wrap = True
    return line


def outcome_of(entry: Mapping[str, Any], result: Any) -> str:
    """What came of it in one line: the reason where there is one, else what the result says."""
    if entry.get("reason"):
        return str(entry["reason"])
    return compact(essence(result), 400)


def essence(result: Any) -> Any:
    """What of a runner's result a person wants to see: the value itself, not exit codes around it."""
    if not isinstance(result, Mapping):
        return "" if result is None else result
    if result.get("errors"):
        return "; ".join(
            str(entry.get("message", entry)) for entry in result["errors"] if isinstance(entry, Mapping)
        )
    if result.get("error"):
        return result["error"]
    for key in ("result", "output", "published"):
        if result.get(key) not in (None, {}, [], "None"):
            return result[key]
    for key in ("stderr", "stdout") if result.get("failed") else ("stdout",):
        if result.get(key):
            return result[key]
    return "" if {"return_code", "exit_code"} & set(result) or not result else result


def name_of(task: Mapping[str, Any]) -> str:
    """The task's name, with its item where it has several, else its action."""
    own = task.get("task") or {}
    name = str(own.get("name") or task.get("action_ref") or task["id"])
    if own.get("item") is not None:
        name += f"[{own['item']}]"
    return name + (f" (try {own['attempt']})" if (own.get("attempt") or 1) > 1 else "")


def sign(status: str) -> Text:
    """The sign of a status in its colour."""
    return Text(_SIGNS.get(status, "○"), style=COLOURS.get(status, ""))


def elapsed(entry: Mapping[str, Any]) -> float | None:
    """Seconds it has run so far, or ran; None before it starts."""
    if entry["status"] in ("requested", "scheduled", "delayed") or not entry.get("start_timestamp"):
        return None
    ended = _moment(entry["end_timestamp"]) if entry.get("end_timestamp") else datetime.now(UTC)
    return max(0.0, (ended - _moment(entry["start_timestamp"])).total_seconds())


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class _Lines:
    """Where nothing can be drawn anew: a line for every status that changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: dict[str, str] = {}

    def tell(self, state: Workflow) -> None:
        """Print what changed since the last look."""
        # The root's end comes last, after the ends of its tasks.
        entries: Sequence[Mapping[str, Any]] = (
            (*state.tasks, state.root) if state.over else (state.root, *state.tasks)
        )
        for entry in entries:
            if self._told.get(entry["id"]) == entry["status"]:
                continue
            self._told[entry["id"]] = entry["status"]
            self._console.print(self._line(entry, state), soft_wrap=True)

    def _line(self, entry: Mapping[str, Any], state: Workflow) -> Text:
        status = entry["status"]
        name = entry.get("action_ref", "") if entry is state.root else name_of(entry)
        line = Text.assemble(sign(status), " ", (name, "bold"), "  ", (status, COLOURS.get(status, "")))
        if status in OVER:
            line.append(f"  {duration(elapsed(entry))}", style="dim")
            outcome = outcome_of(entry, state.results.get(entry["id"]))
            if outcome:
                line.append("  " + compact(outcome, 200))
        return line
