"""Requesting executions, and asking running ones to cancel, pause or resume: the one door for both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from st_ops.bus.interface import Bus
from st_ops.model.base import Model, Object
from st_ops.model.executions import Execution, TaskIdentity
from st_ops.packs.catalog import Catalog
from st_ops.store.database import Database, Tx


class Request(Model):
    """The wish to run an action. ``parameters`` as given by the caller, before defaults and casts."""

    action: str
    parameters: Object = Field(default_factory=dict)
    user: str = ""
    context: Object = Field(default_factory=dict)
    parent_id: str | None = None
    root_id: str = ""
    task: TaskIdentity | None = None
    rule: str | None = None
    trigger_instance_id: str | None = None
    trace_id: str = ""
    run_key: str | None = None
    #: Milliseconds to hold it before it may start (StackStorm's ``delay``).
    delay: int = 0
    ready_at: datetime | None = None
    notify: Object = Field(default_factory=dict)
    #: Names that parameter templates may use beyond StackStorm's, e.g. ``trigger``.
    names: dict[str, Any] = Field(default_factory=dict)


class Requests:
    """Turns wishes into executions."""

    def __init__(self, database: Database, bus: Bus, catalog: Catalog) -> None: ...

    def request(self, wish: Request) -> tuple[Execution, bool]:
        """Store one execution and ring; answers it and whether it is new (False: the run key had it already).

        Raises NotFound for an unknown or disabled action, InvalidInput naming the parameter that is wrong;
        then nothing is stored.
        """
        raise AssertionError

    def request_in(self, tx: Tx, wishes: Sequence[Request]) -> list[Execution]:
        """Likewise within the caller's transaction, for engines; the caller rings EXECUTION_REQUESTED after its commit.

        A wish with wrong parameters becomes an execution that failed with the reason (StackStorm's behaviour for rules).
        """
        raise AssertionError

    def cancel(self, execution_id: str, user: str) -> Execution:
        """Ask an execution (and what it started) to stop: canceled at once when nothing runs yet, else canceling.

        Raises NotFound, and IllegalMove when it is over.
        """
        raise AssertionError

    def pause(self, execution_id: str, user: str) -> Execution:
        """Ask a workflow to start no further tasks. Raises NotFound, IllegalMove."""
        raise AssertionError

    def resume(self, execution_id: str, user: str) -> Execution:
        """Let a paused workflow go on. Raises NotFound, IllegalMove."""
        raise AssertionError
