"""What happened in a workflow: the rows of its append-only log, one fact a row.

A fact is decided once, with expressions evaluated, and folded into the state by ``state.apply`` ever
after; replaying it evaluates nothing. No fact holds a task's result: that lives in the child execution
under the same key. No fact but the first holds a context: a transition records only what it published.

Keys, unique within a workflow and the same on every node: a *run* of a task is
``<name>.r<route>.v<visit>``, a child execution ``<run>[.i<item>].a<attempt>``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from st_ops.model.base import Model
from st_ops.model.status import Status

#: Of the form of the facts below; written in each row so that a later release can read an earlier log.
VERSION = 1


def run_key(name: str, route: int, visit: int) -> str:
    """The key of one run of a task: its ``visit``-th on that route."""
    return f"{name}.r{route}.v{visit}"


def child_key(run: str, item: int | None, attempt: int) -> str:
    """The key of one child execution of a run."""
    return f"{run}.a{attempt}" if item is None else f"{run}.i{item}.a{attempt}"


class _Fact(Model):
    """``key``: the run or child execution it is about; "" when it is about the workflow."""

    key: str = ""


class WorkflowStarted(_Fact):
    """The workflow began. ``variables`` (for Orquesta with the inputs among them) begin every branch's context."""

    kind: Literal["workflow_started"] = "workflow_started"
    dialect: Literal["orquesta", "action-chain"] = "orquesta"
    inputs: dict[str, Any] = Field(default_factory=dict)
    variables: dict[str, Any] = Field(default_factory=dict)
    start: list[str] = Field(default_factory=list)


class TaskStarted(_Fact):
    """A run of a task began, consuming what was staged for it. ``items``: the list of a with-items task."""

    kind: Literal["task_started"] = "task_started"
    name: str
    route: int = 0
    visit: int = 1
    items: list[Any] | None = None
    concurrency: int | None = None
    retries: int = 0
    retry_delay: int = 0
    delay: int = 0


class TaskRequested(_Fact):
    """One child execution is wanted: exactly one, whoever reads this and however often. ``delay`` in seconds."""

    kind: Literal["task_requested"] = "task_requested"
    run: str
    item: int | None = None
    attempt: int = 1
    action: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    delay: int = 0


class ActionFinished(_Fact):
    """A child execution ended. ``status`` is the child's own."""

    kind: Literal["action_finished"] = "action_finished"
    status: Status


class ActionPaused(_Fact):
    """A child execution is paused, or pending the answer to an inquiry."""

    kind: Literal["action_paused"] = "action_paused"
    status: Literal[Status.PAUSED, Status.PENDING]


class ActionResumed(_Fact):
    """A paused or pending child execution runs again."""

    kind: Literal["action_resumed"] = "action_resumed"


class TaskRetried(_Fact):
    """A run's last try did not do; ``attempt`` is the next."""

    kind: Literal["task_retried"] = "task_retried"
    attempt: int


class TaskCompleted(_Fact):
    """A run ended. ``status`` (succeeded, failed, canceled) is for expressions; ``ended`` may say more (timeout)."""

    kind: Literal["task_completed"] = "task_completed"
    status: Status
    ended: Status


class Target(Model):
    """Where a transition leads, and all that replaying it needs to know of the graph.

    ``edge``: the edge that begins ``route``; "" when the route is the one the run is on. ``needs``: how many
    distinct tasks must have led to a join; None = no join. ``again``: a join on a cycle, which may start more
    than once on a route.
    """

    name: str
    route: int = 0
    edge: str = ""
    needs: int | None = None
    again: bool = False


class TransitionTaken(_Fact):
    """The run ``key`` left by its transition ``index``, publishing ``published`` to ``targets``."""

    kind: Literal["transition_taken"] = "transition_taken"
    index: int
    published: dict[str, Any] = Field(default_factory=dict)
    targets: list[Target]


class ErrorRecorded(_Fact):
    """Something went wrong. ``error`` is the entry of the workflow's errors; child ``key``, if any, has its result."""

    kind: Literal["error_recorded"] = "error_recorded"
    error: dict[str, Any]


class WorkflowFailing(_Fact):
    """The workflow will end as ``status``: what runs may finish, what is staged stays.

    With a ``key``, that run asked for it by the command ``fail``, and what it staged besides runs as clean-up.
    ``drop``: the clean-up itself cannot be started, so none is.
    """

    kind: Literal["workflow_failing"] = "workflow_failing"
    status: Status = Status.FAILED
    drop: bool = False


class WorkflowMoved(_Fact):
    """The workflow took a status that is not an end, because it was asked to or because of its tasks (``cause``)."""

    kind: Literal["workflow_moved"] = "workflow_moved"
    status: Status
    cause: Literal["request", "task"] = "request"


class WorkflowFinished(_Fact):
    """The workflow ended."""

    kind: Literal["workflow_finished"] = "workflow_finished"
    status: Status
    output: dict[str, Any] | None = None


class WorkflowRerun(_Fact):
    """A finished workflow goes on: the runs ``restarted`` run anew, those in ``reset`` with all their items."""

    kind: Literal["workflow_rerun"] = "workflow_rerun"
    restarted: list[str]
    reset: list[str] = Field(default_factory=list)


Fact = Annotated[
    WorkflowStarted
    | TaskStarted
    | TaskRequested
    | ActionFinished
    | ActionPaused
    | ActionResumed
    | TaskRetried
    | TaskCompleted
    | TransitionTaken
    | ErrorRecorded
    | WorkflowFailing
    | WorkflowMoved
    | WorkflowFinished
    | WorkflowRerun,
    Field(discriminator="kind"),
]

_ADAPTER: TypeAdapter[Fact] = TypeAdapter(Fact)


def dump(fact: Fact) -> dict[str, Any]:
    """The row's ``data``: JSON-able, without what the row's own columns ``kind`` and ``key`` hold."""
    return {
        "version": VERSION,
        **fact.model_dump(mode="json", exclude={"kind", "key"}, exclude_defaults=True),
    }


def load(kind: str, key: str, data: dict[str, Any]) -> Fact:
    """The fact of one row. Raises ValueError (pydantic's) when the row is not of a version known here."""
    fields = dict(data)
    if fields.pop("version", VERSION) > VERSION:
        raise ValueError(
            f"A workflow's log has a fact of version {data['version']}; this release reads up to {VERSION}."
        )
    return _ADAPTER.validate_python({**fields, "kind": kind, "key": key})
