"""``st-ops execution wait|status``: has it run, how did it end; by id, or by action and run key, for scripts."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.text import Text

from st_ops.cli.client import Client, connect
from st_ops.cli.failures import NO_SUCH_RUN, UNFINISHED, Refused, WrongUsage
from st_ops.cli.options import Form, Home, Output
from st_ops.cli.output import note, show
from st_ops.cli.tree import OVER
from st_ops.cli.watching import end_with, leaving_it_running, wait

#: Seconds between two looks for a run that is not there yet.
_PAUSE = 0.5

Id = Annotated[str | None, typer.Argument(help="Id of the execution.", metavar="[ID]")]
Action = Annotated[str | None, typer.Option(help="Ref of the action, with --run-key instead of an id.")]
RunKey = Annotated[str | None, typer.Option(help="The key it was run with.")]
Task = Annotated[str | None, typer.Option(help="This task of the workflow instead of all of it.")]


def wait_(
    execution_id: Id = None,
    action: Action = None,
    run_key: RunKey = None,
    task: Task = None,
    duration: Annotated[
        str | None,
        typer.Option("--for", help="How long at most, such as 30s or 10m; also for a run to appear."),
    ] = None,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """Wait until an execution is over. Exits 0 when it succeeded, 1 when not, 4 when time is up, 5 for no such run.

    With --for it waits for a run that is not there yet, too: another system may start it.
    """
    seconds = _seconds(duration)
    end = None if seconds is None else time.monotonic() + seconds
    with connect(home) as client:
        wanted = _Wanted(client, execution_id, action, run_key, task)
        found = _appeared(wanted, end)
        with leaving_it_running(found):
            try:
                ended = wait(client, found, None if end is None else max(0.0, end - time.monotonic()))
            except TimeoutError as exc:
                note(str(exc))
                raise typer.Exit(UNFINISHED) from None
    show(output, ended, lambda: Text(_sentence(ended)))
    end_with(ended)


def status(
    execution_id: Id = None,
    action: Action = None,
    run_key: RunKey = None,
    task: Task = None,
    output: Output = Form.TABLE,
    home: Home = None,
) -> None:
    """Say where an execution is. Exits 0 when it succeeded, 1 when not, 4 while it is unfinished, 5 for no such run."""
    with connect(home) as client:
        found = _appeared(_Wanted(client, execution_id, action, run_key, task), time.monotonic())
        entry = client.get(f"/executions/{found}")
    show(output, entry, lambda: Text(_sentence(entry)))
    if entry["status"] not in OVER:
        raise typer.Exit(UNFINISHED)
    end_with(entry)


class _Wanted:
    """Which execution is meant."""

    def __init__(
        self,
        client: Client,
        identifier: str | None,
        action: str | None,
        run_key: str | None,
        task: str | None,
    ) -> None:
        if (identifier is None) == (action is None or run_key is None):
            raise WrongUsage("Give either an execution's id, or both --action and --run-key.")
        self._client = client
        self._id = identifier
        self._action, self._run_key, self._task = action, run_key, task
        self.name = identifier or f"of {action} with run key '{run_key}'"
        if task is not None:
            self.name = f"of task '{task}' in execution {self.name}"

    def find(self) -> tuple[str | None, bool]:
        """Its id, None while there is none; and whether one may still appear."""
        run = self._run()
        if run is None or self._task is None:
            return (None if run is None else str(run["id"])), self._id is None
        path = f"/executions/{run['id']}/children"
        for child in reversed(self._client.get(path, include_attributes="task,parent", depth=1)):
            if (child.get("task") or {}).get("name") == self._task:
                return str(child["id"]), True
        return None, run["status"] not in OVER

    def _run(self) -> Mapping[str, Any] | None:
        if self._id is None:
            given = {"action": self._action, "run_key": self._run_key, "limit": 1}
            found = self._client.get("/executions", **given, include_attributes="status")
            return found[0] if found else None
        try:
            return dict(self._client.get(f"/executions/{self._id}", include_attributes="status"))
        except Refused as exc:
            if exc.status != 404:
                raise
            return None


def _appeared(wanted: _Wanted, end: float | None) -> str:
    """The id of what is wanted, once it is there; ends the command when it is not, in time. ``end``: monotonic."""
    while True:
        identifier, may_appear = wanted.find()
        if identifier is not None:
            return identifier
        if not may_appear or end is None or time.monotonic() >= end:
            note(f"There is no execution {wanted.name}.")
            raise typer.Exit(NO_SUCH_RUN)
        threading.Event().wait(min(_PAUSE, end - time.monotonic()))


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    from st_ops.sdk import durations

    try:
        return durations.seconds(text)
    except ValueError as exc:
        raise WrongUsage(f"--for: {exc}") from exc


def _sentence(entry: Mapping[str, Any]) -> str:
    reason = entry.get("reason")
    state = entry["status"] if entry["status"] in OVER else f"is {entry['status']}"
    return f"Execution {entry['id']} {state}." + (f" {reason}" if reason else "")
