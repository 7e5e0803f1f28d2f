"""A sensor's post in a container: whether it is held, by which process it is filled, and when it is filled again."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from st_ops.bus.backoff import Backoff
from st_ops.errors import StOpsError
from st_ops.logs import facts
from st_ops.model.identity import now
from st_ops.model.sensors import Phase, SensorState
from st_ops.sensors.plan import Plan
from st_ops.sensors.process import SensorProcess
from st_ops.settings import SensorSettings

log = logging.getLogger(__name__)


class Starter(Protocol):
    """How a post gets its plan and its process, and tells of both ends. Called in the container's thread."""

    def plan(self, ref: str) -> Plan:
        """How to run the sensor now. Raises StOpsError saying why it cannot be."""

    def start(self, plan: Plan) -> SensorProcess:
        """A new process. Raises OSError when there can be none."""

    def spawned(self, process: SensorProcess) -> None:
        """``process`` was started."""

    def exited(self, process: SensorProcess, code: int) -> None:
        """``process`` ended with ``code``."""


#: Seconds between two looks whether what an idle sensor waits for has come.
_LOOK_SECONDS = 2.0


@dataclass
class _Idle:
    """It had nothing to watch: why, in which plan, and when to look again (monotonic)."""

    reason: str
    stamp: str
    look_at: float


@dataclass
class _History:
    """What a post remembers of the processes before the present one."""

    restarts: int = 0
    reason: str = ""
    events: int = 0
    last_event_at: datetime | None = None


class Post:
    """Run by the container's thread alone; ``state`` may be read from any."""

    def __init__(self, ref: str, starter: Starter, settings: SensorSettings) -> None:
        self.ref = ref
        self.wanted = True
        #: Until when, by the monotonic clock, the lease is ours for certain.
        self.held_until = 0.0
        self.process: SensorProcess | None = None
        self._starter = starter
        self._settings = settings
        self._backoff = Backoff(settings.respawn_seconds, settings.respawn_limit_seconds)
        self._start_at = 0.0
        self._next_start_at: datetime | None = None
        self._history = _History()
        self._idle: _Idle | None = None
        #: What it is to watch may have changed since its process was started.
        self._changed = False

    @property
    def held(self) -> bool:
        """True while no other container can have taken the lease."""
        return time.monotonic() < self.held_until

    @property
    def idle(self) -> bool:
        """True when nothing runs here and nothing should."""
        return self.process is None and not self.wanted

    @property
    def due(self) -> float | None:
        """When ``step`` has to be called next, by the monotonic clock; None when nothing is planned."""
        if self._idle is not None:
            return self._idle.look_at if self.wanted and self.held else None
        if self.process is None:
            return max(self._start_at, 0.0) if self.wanted and self.held else None
        moments = [self.held_until, self.process.due]
        return min(moment for moment in moments if moment is not None)

    def step(self) -> None:
        """Start, stop, kill or bury, whichever is called for now."""
        if self.process is not None:
            self._step_process(self.process)
        if self.process is not None or not (self.wanted and self.held):
            return
        if self._idle is not None:
            self._look_again(self._idle)
        if self._idle is None and time.monotonic() >= self._start_at:
            self._start()

    def _look_again(self, idle: _Idle) -> None:
        if time.monotonic() < idle.look_at:
            return
        idle.look_at = time.monotonic() + _LOOK_SECONDS
        try:
            same = self._starter.plan(self.ref).stamp == idle.stamp
        except (StOpsError, OSError) as exc:
            log.debug("What an idle sensor waits for cannot be seen: %s", exc, extra=facts(sensor=self.ref))
            return
        if not same:
            self._start_soon()

    def _step_process(self, process: SensorProcess) -> None:
        if not self.held:
            # Another container may run it from now on: not a moment of grace.
            process.kill("its lease was lost")
        elif not self.wanted:
            process.stop("it is no longer enabled", self._settings.grace_seconds)
        code = process.step()
        if code is not None:
            self._bury(process, code)

    def compare(self) -> None:
        """Have the process started anew when what it should be has changed. The registry has changed, at least."""
        self._changed = True
        if self.process is None:
            # Whatever kept it from running may have been put right.
            self._start_soon()
            return
        try:
            same = self._starter.plan(self.ref).stamp == self.process.plan.stamp
        except (StOpsError, OSError) as exc:
            log.warning("The change of a sensor cannot be used: %s", exc, extra=facts(sensor=self.ref))
            return
        if not same:
            self.process.stop("it has changed", self._settings.grace_seconds)

    def _start(self) -> None:
        try:
            process = self._starter.start(self._starter.plan(self.ref))
        except (StOpsError, OSError) as exc:
            self._fail(f"It could not be started: {exc}")
            return
        except Exception:  # what plans a sensor is handed in: its bug must not end the other sensors
            log.exception("Planning a sensor failed.", extra=facts(sensor=self.ref))
            self._fail("It could not be started; the log has the traceback.")
            return
        self.process = process
        self._changed = False
        self._next_start_at = None
        log.info("The sensor was started.", extra=facts(sensor=self.ref, pid=process.pid))
        self._starter.spawned(process)

    def _bury(self, process: SensorProcess, code: int) -> None:
        self.process = None
        self._history.events += process.events
        self._history.last_event_at = process.last_event_at or self._history.last_event_at
        self._starter.exited(process, code)
        if process.stopping:
            log.info(
                "The sensor was stopped: %s.", process.stopping, extra=facts(sensor=self.ref, exit_code=code)
            )
            self._start_soon()
            return
        if process.idle and code == 0:
            self._rest(process)
            return
        self._history.restarts += 1
        if self._lived_long(process):
            self._backoff.reset()
        self._fail(process.explain(code))

    def _rest(self, process: SensorProcess) -> None:
        self._start_soon()
        if self._changed:
            return
        self._idle = _Idle(process.idle, process.plan.stamp, time.monotonic() + _LOOK_SECONDS)
        log.info("The sensor has nothing to watch: %s", process.idle, extra=facts(sensor=self.ref))

    def _lived_long(self, process: SensorProcess) -> bool:
        since = process.ready_since
        return since is not None and time.monotonic() - since > self._settings.respawn_limit_seconds

    def _start_soon(self) -> None:
        self._idle = None
        self._backoff.reset()
        self._start_at = 0.0
        self._next_start_at = None

    def _fail(self, reason: str) -> None:
        delay = self._backoff.delay()
        self._start_at = time.monotonic() + delay
        self._next_start_at = now() + timedelta(seconds=delay)
        self._history.reason = reason
        log.error(
            "The sensor does not run; next try in %.1f s. %s", delay, reason, extra=facts(sensor=self.ref)
        )

    def state(self) -> SensorState:
        """As people see it."""
        process, history = self.process, self._history
        return SensorState(
            ref=self.ref,
            phase=self._phase(process),
            pid=None if process is None else process.pid,
            started_at=None if process is None else process.started_at,
            restarts=history.restarts,
            reason=self._idle.reason if self._idle else history.reason,
            next_start_at=self._next_start_at,
            events=history.events + (0 if process is None else process.events),
            last_event_at=(process.last_event_at if process else None) or history.last_event_at,
        )

    def _phase(self, process: SensorProcess | None) -> Phase:
        if process is not None:
            if process.stopping:
                return Phase.STOPPING
            return Phase.STARTING if process.ready_since is None else Phase.RUNNING
        if not self.held:
            return Phase.ELSEWHERE
        return Phase.IDLE if self._idle else Phase.BACKING_OFF
