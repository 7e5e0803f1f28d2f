"""Waiting for an execution, watching it, and saying how it ended."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from st_ops.cli.client import Client
from st_ops.cli.failures import FAILED, INTERRUPTED, OK
from st_ops.cli.output import console, note
from st_ops.cli.tree import OVER, follow

#: Pauses between two looks, in seconds: short at first, since most actions are.
_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.1, 0.2, 0.2, 0.3)
_LONGEST_PAUSE = 0.5

WORKFLOW_RUNNERS = frozenset({"orquesta", "action-chain"})


def wait(client: Client, execution_id: str, seconds: float | None = None) -> dict[str, Any]:
    """Block until it is over, and answer it as it stands then. Raises TimeoutError after ``seconds``."""
    pause = threading.Event()
    end = None if seconds is None else time.monotonic() + seconds
    for delay in _delays():
        seen = client.get(f"/executions/{execution_id}", include_attributes="status")
        if seen["status"] in OVER:
            return dict(client.get(f"/executions/{execution_id}"))
        if end is not None and time.monotonic() + delay > end:
            raise TimeoutError(f"Execution {execution_id} is still {seen['status']}.")
        pause.wait(delay)
    raise AssertionError("the pauses never end")


def _delays() -> Iterator[float]:
    yield from _PAUSES
    while True:
        yield _LONGEST_PAUSE


def tail(client: Client, execution: Mapping[str, Any]) -> dict[str, Any]:
    """Show it while it runs: a workflow as a tree, anything else by what it prints. Answers it as it ended."""
    identifier = str(execution["id"])
    if (execution.get("runner") or {}).get("name") in WORKFLOW_RUNNERS:
        follow(client, identifier, console())
    else:
        for name, data in client.events(f"/executions/{identifier}/output", follow="true"):
            if name == "EOF":
                break
            target = sys.stderr if data["output_type"] == "stderr" else sys.stdout
            target.write(data["data"])
            target.flush()
    return wait(client, identifier)


@contextmanager
def leaving_it_running(execution_id: str) -> Iterator[None]:
    """Ctrl-C ends the watching, not the execution, and says so."""
    try:
        yield
    except KeyboardInterrupt:
        note(f"\nExecution {execution_id} goes on. 'st-ops execution cancel {execution_id}' stops it.")
        raise typer.Exit(INTERRUPTED) from None


def end_with(execution: Mapping[str, Any]) -> None:
    """End the command with the exit code that tells whether ``execution`` succeeded."""
    raise typer.Exit(OK if execution["status"] == "succeeded" else FAILED)
