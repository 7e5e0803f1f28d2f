"""Executions: one run of one action, from request to result, and what it printed."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from st_ops.model.base import Model, Moment, Object
from st_ops.model.identity import new_id, now
from st_ops.model.status import Status

#: The queue of executions that the workflow engine conducts; no worker takes from it.
WORKFLOW_QUEUE = "workflows"

#: In the context of an execution whose outcome is unknown: ``{execution_id, action}`` of the probe that is asked.
PROBED_BY = "probe"
#: In the context of a probe: the id of the execution it asks about.
PROBE_OF = "probe_of"


#: Key of an execution's context: texts, sealed, that its run must not show although no schema calls them secret.
HIDDEN = "hidden"


class TaskIdentity(Model):
    """Which task of which workflow an execution is. ``key`` is unique in its workflow: task, route, item and try."""

    key: str
    name: str
    task_id: str = ""
    route: int = 0
    item: int | None = None
    attempt: int = 1


class Execution(Model):
    """One run of an action. The store's row, the API's object and the worker's claim are this one class.

    ``token`` is the fencing token: it grows by one at every claim, and a result is accepted only with
    the present one. ``context`` carries StackStorm's context (user, parent, rule, trigger_instance …).
    """

    id: str = Field(default_factory=new_id)
    action: str
    runner: str
    status: Status = Status.REQUESTED
    parameters: Object = Field(default_factory=dict)
    context: Object = Field(default_factory=dict)
    user: str = ""
    parent_id: str | None = None
    root_id: str = ""
    task: TaskIdentity | None = None
    rule: str | None = None
    trigger_instance_id: str | None = None
    trace_id: str = ""
    run_key: str | None = None
    queue: str = "default"
    needs: list[str] = Field(default_factory=list)
    priority: int = 0
    idempotent: bool = False
    #: Runs so far, counting the present one.
    attempt: int = 0
    #: How many of them a retry policy asked for.
    retries: int = 0
    #: Seconds that a run may take, when the request or a policy says so; None = as the action says.
    timeout: float | None = None
    #: It is not ready because a concurrency limit is reached.
    waits_for_slot: bool = False
    #: It has slots, held or waited for: its action's, its rule's or a policy's concurrency, or what it requires.
    limited: bool = False
    worker_id: str | None = None
    token: int = 0
    #: Not to be claimed before this moment.
    ready_at: Moment = Field(default_factory=now)
    created_at: Moment = Field(default_factory=now)
    start_timestamp: Moment | None = None
    end_timestamp: Moment | None = None
    result: Any = None
    result_size: int = 0
    #: Why it is where it is, in a sentence, when that is not plain: "worker w1 was lost", "canceled by admin".
    reason: str = ""
    notify: Object = Field(default_factory=dict)

    @property
    def elapsed_seconds(self) -> float | None:
        """Seconds from start to end (to now while it runs); None before the start."""
        if self.start_timestamp is None:
            return None
        return ((self.end_timestamp or now()) - self.start_timestamp).total_seconds()


class Outcome(Model):
    """How one run ended: what a runner returns and the worker records."""

    status: Status
    result: Any = None
    reason: str = ""
    #: What watched over the run is gone, and the run with it: whether it took effect is unknown.
    lost: bool = False


class OutputLine(Model):
    """One piece of what a run printed. ``seq`` orders the pieces of one execution."""

    execution_id: str
    seq: int
    stream: Literal["stdout", "stderr", "output"] = "stdout"
    timestamp: Moment = Field(default_factory=now)
    data: str
