"""What people see of a sensor: whether it runs, since when, and why not."""

from __future__ import annotations

from enum import StrEnum

from st_ops.model.base import Model, Moment


class Phase(StrEnum):
    """Where a sensor is in this container."""

    #: Another container holds its lease, or none has been asked yet.
    ELSEWHERE = "elsewhere"
    #: The process runs and sets up.
    STARTING = "starting"
    RUNNING = "running"
    #: It was asked to end: removed, disabled, changed, or its lease is lost.
    STOPPING = "stopping"
    #: It has nothing to watch and ended; ``reason`` says why. Started again when its config or a rule changes.
    IDLE = "idle"
    #: It died or could not be started; ``reason`` says why, ``next_start_at`` when it is tried again.
    BACKING_OFF = "backing off"


class SensorState(Model):
    """One sensor as its container sees it. Times are UTC."""

    ref: str
    phase: Phase
    #: Of the running process; None when there is none.
    pid: int | None = None
    started_at: Moment | None = None
    #: Deaths since this container first ran it.
    restarts: int = 0
    #: Why it ended last, or could not be started: a sentence; "" when nothing went wrong.
    reason: str = ""
    next_start_at: Moment | None = None
    #: Events accepted from it, and when the last one was.
    events: int = 0
    last_event_at: Moment | None = None
