"""A workflow's state as people look at it: which tasks ran, how they are, what follows from what."""

from __future__ import annotations

from pydantic import Field

from st_ops.model.base import Model
from st_ops.model.status import Status
from st_ops.workflows.graph import Graph
from st_ops.workflows.state import Run, State


class TaskProgress(Model):
    """One run of a task. ``children``: keys of its executions, one per item and try. ``predecessors``: keys of runs."""

    key: str
    name: str
    route: int = 0
    status: Status
    attempt: int = 1
    items: int | None = None
    children: list[str] = Field(default_factory=list)
    predecessors: list[str] = Field(default_factory=list)


class Progress(Model):
    """A workflow: its runs in the order they began; ``due``: names of tasks that are staged or wait for others."""

    status: Status
    failing: bool = False
    tasks: list[TaskProgress] = Field(default_factory=list)
    due: list[str] = Field(default_factory=list)
    #: Names of tasks that have not been reached.
    ahead: list[str] = Field(default_factory=list)


def progress(graph: Graph, state: State) -> Progress:
    """Where the workflow is."""
    reached = {run.name for run in state.runs.values()}
    due = sorted({name for name, _ in (*state.ready, *state.waiting)})
    return Progress(
        status=state.status,
        failing=state.failing is not None,
        tasks=[_run(state, run) for run in state.runs.values()],
        due=due,
        ahead=[name for name in graph.tasks if name not in reached and name not in due],
    )


def _run(state: State, run: Run) -> TaskProgress:
    return TaskProgress(
        key=run.key,
        name=run.name,
        route=run.route,
        status=_status(state, run),
        attempt=run.attempt,
        items=None if run.items is None else len(run.items),
        children=run.children,
        predecessors=list(dict.fromkeys(arrival.run for arrival in run.arrivals if arrival.run)),
    )


def _status(state: State, run: Run) -> Status:
    """What a person calls the run's status: one that waits is pending or paused, one left behind canceled."""
    if run.ended is not None:
        return run.ended
    if state.finished:
        return Status.CANCELED
    for status in (Status.RUNNING, Status.PENDING, Status.PAUSED):
        if run.count(status):
            return status
    return state.status if state.status in (Status.PAUSING, Status.PAUSED) else Status.RUNNING
