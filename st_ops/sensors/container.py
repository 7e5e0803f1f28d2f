"""The sensor container: one child process per enabled sensor, on one of all containers, started anew when it dies.

A container holds each of its sensors by a lease in the store. Whoever holds it runs the sensor; when it falls
silent, another container takes the lease and runs it. StackStorm's container gives up after two respawns and has
no failover (reference 1.5); this one does neither.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from st_ops.bus.interface import Bus, Subscription
from st_ops.errors import StOpsError, Unavailable
from st_ops.intake.accept import Intake
from st_ops.logs import facts
from st_ops.model.bells import Bell, Topic
from st_ops.model.events import Accepted, NewEvent
from st_ops.model.identity import new_id, now
from st_ops.model.sensors import Phase, SensorState
from st_ops.packs.catalog import Catalog, Snapshot
from st_ops.security.key_values import KeyValues
from st_ops.sensors.plan import Plan, Planner, triggers_for, wanted
from st_ops.sensors.post import Post
from st_ops.sensors.process import SensorProcess, environment
from st_ops.sensors.requests import SensorRequests
from st_ops.settings import Settings
from st_ops.store import sensors, workers
from st_ops.store.database import Database

log = logging.getLogger(__name__)

SPAWN_TRIGGER = "core.st2.sensor.process_spawn"
EXIT_TRIGGER = "core.st2.sensor.process_exit"

#: Parts of a lease after which it is extended: two extensions may fail before it lapses.
_EXTEND_AFTER = 1 / 3
#: Part of a lease before whose end a sensor whose lease could not be extended is killed.
_MARGIN = 1 / 10
#: Least seconds between two tellings of how the sensors are.
_SHOW_SECONDS = 2.0


class SensorContainer:
    """Runs sensors from ``open`` to ``close``. One thread decides; each sensor has a few that speak with it."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        catalog: Catalog,
        intake: Intake,
        key_values: KeyValues,
        settings: Settings,
        pack_interpreter: Callable[[str], str],
        configs: Callable[[str], Mapping[str, Any]],
        given_environment: Mapping[str, str] | None = None,
    ) -> None:
        """``pack_interpreter``: a pack's ref → the path of the Python that runs its sensors; "" means our own.
        ``configs``: a pack's ref → its resolved config. Both answer at once; both may raise StOpsError, which is shown
        as the reason that a sensor does not run.
        ``given_environment``: variables every sensor sees beside those of the setting ``sensors.environment``.
        """
        #: Names this container as the owner of its leases.
        self.id = new_id()
        self._database = database
        self._bus = bus
        self._catalog = catalog
        self._intake = intake
        self._settings = settings
        self._planner = Planner(pack_interpreter, configs, settings.logs.level)
        self._requests = SensorRequests(database, intake, key_values, settings.intake)
        self._environment = environment(settings.sensors.environment, os.environ, given_environment or {})
        self._posts: dict[str, Post] = {}
        self._snapshot: Snapshot | None = None
        self._changed = threading.Event()
        self._extend_at = 0.0
        #: What was told of our sensors, and when.
        self._shown: dict[str, tuple[Phase, int | None, int, str]] = {}
        self._shown_at = 0.0
        self._wake = threading.Event()
        self._closing = False
        self._subscription: Subscription | None = None
        self._thread = threading.Thread(target=self._run, name="sensor-container", daemon=True)

    def open(self) -> None:
        """Start running sensors; does nothing when the setting ``sensors.enabled`` is false."""
        if self._settings.sensors.enabled:
            self._subscription = self._bus.subscribe([Topic.REGISTRY_CHANGED], self._on_change)
            self._thread.start()

    def close(self) -> None:
        """Stop every sensor, within the seconds of the setting ``sensors.grace_seconds``. Idempotent."""
        if self._subscription is not None:
            self._subscription.close()
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def states(self) -> list[SensorState]:
        """Every enabled sensor, and those still ending, by ref."""
        return sorted((post.state() for post in list(self._posts.values())), key=lambda state: state.ref)

    def plan(self, ref: str) -> Plan:
        """See Starter."""
        assert self._snapshot is not None  # there are no posts before the first snapshot
        return self._planner.plan(self._snapshot, ref)

    def start(self, plan: Plan) -> SensorProcess:
        """See Starter."""
        assert self._snapshot is not None  # likewise
        return SensorProcess(
            plan,
            triggers_for(self._snapshot, plan.ref),
            self._requests,
            self._environment,
            lines_per_second=self._settings.sensors.log_lines_per_second,
            on_end=self._wake.set,
        )

    def spawned(self, process: SensorProcess) -> None:
        """See Starter."""
        self._tell(SPAWN_TRIGGER, process.plan, {"pid": process.pid, "cmd": " ".join(process.command)})

    def exited(self, process: SensorProcess, code: int) -> None:
        """See Starter."""
        self._tell(EXIT_TRIGGER, process.plan, {"pid": process.pid, "exit_code": code})

    def _on_change(self, bell: Bell) -> None:
        self._changed.set()
        self._wake.set()

    def _run(self) -> None:
        while not self._closing:
            try:
                self._turn()
            except Exception:  # the edge of this loop: the next turn tries again
                log.exception("A turn of the sensor container failed.")
            self._wake.wait(self._pause())
            self._wake.clear()
        self._end_all()

    def _turn(self) -> None:
        try:
            self._look()
            self._extend()
        except Unavailable as exc:
            # Sensors whose leases run out meanwhile are killed below; they start again once we are back.
            log.warning("Sensors cannot be looked up or held: %s", exc)
        for post in list(self._posts.values()):
            post.step()
            if post.idle:
                del self._posts[post.ref]
        self._show()

    def _look(self) -> None:
        """Learn from the registry which sensors and triggers are wanted."""
        changed = self._changed.is_set()
        self._changed.clear()
        try:
            snapshot = self._catalog.current()
        except Unavailable:
            if changed:
                self._changed.set()
            raise
        if not changed and self._snapshot is not None and snapshot.version == self._snapshot.version:
            return
        self._snapshot = snapshot
        refs = wanted(snapshot)
        for ref in refs:
            if ref not in self._posts:
                self._posts[ref] = Post(ref, self, self._settings.sensors)
                # Not to wait for the next extension.
                self._extend_at = 0.0
        for post in self._posts.values():
            post.wanted = post.ref in refs
            if post.wanted:
                post.compare()
                if post.process is not None and not post.process.stopping:
                    post.process.update_triggers(triggers_for(snapshot, post.ref))

    def _extend(self) -> None:
        """Take or extend the lease of every wanted sensor, when it is time to."""
        moment, seconds = time.monotonic(), self._settings.sensors.lease_seconds
        posts = [post for post in self._posts.values() if post.wanted]
        if moment < self._extend_at or not posts:
            return
        with self._database.write() as tx:
            taken = {
                post.ref: workers.take_lease(tx, f"sensor/{post.ref}", self.id, seconds) is not None
                for post in posts
            }
        self._extend_at = moment + seconds * _EXTEND_AFTER
        for post in posts:
            if taken[post.ref] and not post.held:
                log.info("The sensor is ours to run.", extra=facts(sensor=post.ref))
            post.held_until = moment + seconds * (1 - _MARGIN) if taken[post.ref] else 0.0

    def _show(self) -> None:
        """Tell the store how our sensors are: what changed within seconds, the rest with every extension."""
        states = [state for state in self.states() if state.phase is not Phase.ELSEWHERE]
        essence = {state.ref: (state.phase, state.pid, state.restarts, state.reason) for state in states}
        rest = self._settings.sensors.lease_seconds * _EXTEND_AFTER
        if time.monotonic() < self._shown_at + (rest if essence == self._shown else min(rest, _SHOW_SECONDS)):
            return
        try:
            with self._database.write() as tx:
                sensors.remove(tx, self.id, self._shown.keys() - essence.keys())
                sensors.put(tx, states, self.id, socket.gethostname(), now())
        except Unavailable as exc:
            log.debug("How sensors are cannot be shown now: %s", exc)
        self._shown, self._shown_at = essence, time.monotonic()

    def _pause(self) -> float:
        """Seconds until the next turn is due, the sweep at the latest."""
        moments = [self._extend_at, *(post.due for post in self._posts.values())]
        first = min(moment for moment in moments if moment is not None)
        return min(max(first - time.monotonic(), 0.01), self._settings.bus.sweep_seconds)

    def _end_all(self) -> None:
        processes = [post.process for post in self._posts.values() if post.process is not None]
        for process in processes:
            process.stop("the platform is closing", self._settings.sensors.grace_seconds)
        for post in self._posts.values():
            post.wanted = False
        while any(post.process is not None for post in self._posts.values()):
            for post in self._posts.values():
                post.step()
            self._wake.wait(0.05)
            self._wake.clear()
        try:
            with self._database.write() as tx:
                sensors.remove(tx, self.id)
                workers.release_leases(tx, self.id)
        except Unavailable as exc:
            log.warning("The leases of the sensors will lapse by themselves: %s", exc)

    def _tell(self, trigger: str, plan: Plan, more: Mapping[str, Any]) -> None:
        """Emit one of StackStorm's events about sensors, where its trigger type is registered."""
        if self._snapshot is None or trigger not in self._snapshot.trigger_types:
            return
        # StackStorm's id is the class name, its timestamp whole seconds since 1970; the reference is our addition.
        payload = {"id": plan.job["entry"], "ref": plan.ref, "timestamp": int(time.time()), **more}
        try:
            told = self._intake.accept(NewEvent(trigger=trigger, payload=payload, source="sensor container"))
        except StOpsError as exc:
            log.warning("%s was not emitted: %s", trigger, exc)
            return
        told.add_done_callback(_log_failure)


def _log_failure(told: Future[Accepted]) -> None:
    exc = told.exception()
    if exc is not None:
        log.warning("An event of the sensor container was lost: %s", exc)
