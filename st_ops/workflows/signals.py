"""What the conductor is told, and what it may ask while it decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from st_ops.model.status import Status


@dataclass(frozen=True, kw_only=True)
class Start:
    """Begin. ``inputs``: the execution's parameters. ``context``: more variables (``st2``, ``parent``)."""

    inputs: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TaskFinished:
    """The child execution ``key`` ended; its result can be asked of the world from now on."""

    key: str
    status: Status


@dataclass(frozen=True, kw_only=True)
class TaskRejected:
    """The child execution ``key`` could not be made (no such action, wrong parameters); ``message`` says why."""

    key: str
    message: str


@dataclass(frozen=True, kw_only=True)
class TaskPaused:
    """The child execution ``key`` is paused (a sub-workflow) or pending (an inquiry)."""

    key: str
    status: Literal[Status.PAUSED, Status.PENDING]


@dataclass(frozen=True, kw_only=True)
class TaskResumed:
    """The paused or pending child execution ``key`` runs again."""

    key: str


@dataclass(frozen=True, kw_only=True)
class PauseRequested:
    """Start nothing new; paused once nothing is active."""


@dataclass(frozen=True, kw_only=True)
class ResumeRequested:
    """Go on after a pause."""


@dataclass(frozen=True, kw_only=True)
class CancelRequested:
    """Start nothing new; canceled once nothing is active. Ending what is active is the engine's."""


@dataclass(frozen=True, kw_only=True)
class RerunRequested:
    """Take a finished workflow up again.

    ``tasks``: names to run anew, on every route they ran on; empty = the failed ends of its branches.
    ``reset``: those of them whose items are all run anew, not just the ones that did not succeed.
    """

    tasks: tuple[str, ...] = ()
    reset: tuple[str, ...] = ()


Signal = (
    Start
    | TaskFinished
    | TaskRejected
    | TaskPaused
    | TaskResumed
    | PauseRequested
    | ResumeRequested
    | CancelRequested
    | RerunRequested
)


@dataclass(frozen=True, kw_only=True)
class ChildRecord:
    """What expressions and results show of a child execution. Times are texts in StackStorm's form."""

    execution_id: str = ""
    status: Status = Status.SUCCEEDED
    result: Any = None
    created_at: str = ""
    start_timestamp: str = ""
    end_timestamp: str = ""
    #: Why it ended as it did, in a sentence; "" when that is not known.
    reason: str = ""


class World(Protocol):
    """What the conductor looks up, only when an expression needs it. Bound to one workflow execution."""

    @property
    def user(self) -> str:
        """Who runs the workflow."""

    @property
    def parent(self) -> Mapping[str, Any]:
        """The context of the workflow's own execution, with its ``execution_id`` (``action_context.parent``)."""

    def child(self, key: str) -> ChildRecord | None:
        """The child execution under ``key``; None when there is none (yet)."""

    def key_value(self, scope: str, user: str, name: str) -> str | None:
        """A stored value (see ``expressions.datastore.Lookup``); a secret's is its ciphertext."""

    def decrypt(self, text: str) -> str:
        """The plain text of a stored secret."""

    def config(self) -> Mapping[str, Any]:
        """The resolved config of the workflow's pack."""
