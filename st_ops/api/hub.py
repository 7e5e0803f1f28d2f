"""From the bus to those who watch: bells come in from the bus's thread, events go out to asyncio queues.

Bells of a moment are gathered, what they point at is read from the store once, and every listener gets it.
While nobody listens nothing is read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from anyio import to_thread

from st_ops.api.fields import Fields
from st_ops.api.masking import Mask
from st_ops.api.services import ApiServices
from st_ops.api.shapes import ExecutionShapes
from st_ops.bus.interface import Subscription
from st_ops.errors import StOpsError
from st_ops.model.bells import Bell, Topic
from st_ops.store import executions, outputs
from st_ops.store.database import Tx

log = logging.getLogger(__name__)

CREATED, UPDATED = "st2.execution__create", "st2.execution__update"
OUTPUT = "st2.execution.output__create"

#: Seconds in which bells are gathered before the store is read.
_GATHER_SECONDS = 0.02
#: Events a listener may lag behind before it is cut off; it connects again and looks for itself.
_MOST_WAITING = 5_000
#: Executions whose output is followed at most; the oldest are forgotten (their next lines then start over).
_MOST_CURSORS = 10_000

_TOPICS = (
    Topic.EXECUTION_REQUESTED, Topic.WORKFLOW_REQUESTED, Topic.EXECUTION_CHANGED, Topic.EXECUTION_FINISHED,
    Topic.EXECUTION_OUTPUT,
    Topic.REGISTRY_CHANGED,
)  # fmt: skip
#: What live updates carry; a result is asked for when it is wanted.
_FIELDS = Fields(exclude=("result", "log", "runner", "trigger", "trigger_type", "trigger_instance", "rule"))


@dataclass(frozen=True)
class StreamEvent:
    """One thing that happened: its StackStorm name, what it is about, and the object."""

    name: str
    execution_id: str
    data: dict[str, Any]


@dataclass
class _Gathered:
    """The bells of one moment."""

    created: dict[str, None] = field(default_factory=dict)
    changed: dict[str, None] = field(default_factory=dict)
    finished: dict[str, None] = field(default_factory=dict)
    output: dict[str, None] = field(default_factory=dict)
    registry: bool = False

    def add(self, bell: Bell) -> None:
        if bell.topic is Topic.REGISTRY_CHANGED:
            self.registry = True
            return
        place = {
            Topic.EXECUTION_REQUESTED: self.created,
            Topic.WORKFLOW_REQUESTED: self.created,
            Topic.EXECUTION_CHANGED: self.changed,
            Topic.EXECUTION_FINISHED: self.finished,
            Topic.EXECUTION_OUTPUT: self.output,
        }[bell.topic]
        place.update(dict.fromkeys(bell.ids))


class Listener:
    """One connected watcher."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[StreamEvent] = asyncio.Queue(_MOST_WAITING)
        self.overflowed = False

    def put(self, event: StreamEvent) -> None:
        """Hand over ``event``; too many unread ones cut the listener off."""
        if self.queue.full():
            self.overflowed = True
            return
        self.queue.put_nowait(event)


class Hub:
    """Hands what happens to everybody who watches."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services
        self._listeners: set[Listener] = set()
        self._followers: dict[str, set[asyncio.Event]] = {}
        self._cursors: dict[str, int] = {}
        self._gathered = _Gathered()
        self._wake = asyncio.Event()
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start passing on; in the event loop that serves."""
        loop = asyncio.get_running_loop()

        def from_bus(bell: Bell) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._take, bell)

        self._subscription = self._services.bus.subscribe(_TOPICS, from_bus)
        self._task = asyncio.create_task(self._run(), name="stream-hub")

    async def close(self) -> None:
        """Stop. Idempotent."""
        if self._subscription is not None:
            self._subscription.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """A listener for as long as the block lasts."""
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    @contextmanager
    def following(self, execution_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something happens to this execution or its output."""
        event = asyncio.Event()
        self._followers.setdefault(execution_id, set()).add(event)
        try:
            yield event
        finally:
            waiting = self._followers[execution_id]
            waiting.discard(event)
            if not waiting:
                del self._followers[execution_id]

    def _take(self, bell: Bell) -> None:
        self._gathered.add(bell)
        for identifier in bell.ids if self._followers else ():
            for event in self._followers.get(identifier, ()):
                event.set()
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._wake.clear()
            gathered, self._gathered = self._gathered, _Gathered()
            try:
                found = await to_thread.run_sync(self._read, gathered, bool(self._listeners))
            except (
                StOpsError
            ) as exc:  # the store is away: watchers miss this moment, their next look shows it
                log.warning("Live updates are held up: %s", exc)
                continue
            for event in found:
                for listener in self._listeners:
                    listener.put(event)

    def _read(self, gathered: _Gathered, wanted: bool) -> list[StreamEvent]:
        if gathered.registry:
            self._services.catalog.current()
        if not wanted:
            return []
        with self._services.database.read() as tx:
            return [*self._updates(tx, gathered), *self._output(tx, gathered.output)]

    def _updates(self, tx: Tx, gathered: _Gathered) -> list[StreamEvent]:
        ids = list({**gathered.created, **gathered.changed, **gathered.finished})
        if not ids:
            return []
        entries = executions.get_many(tx, ids)
        shapes = ExecutionShapes(tx, self._services.catalog.current(tx), _FIELDS, Mask())
        shaped = shapes.many([entries[key] for key in ids if key in entries])
        changed = {**gathered.changed, **gathered.finished}
        names = {key: UPDATED if key in changed else CREATED for key in ids}
        return [StreamEvent(names[shape["id"]], shape["id"], shape) for shape in shaped]

    def _output(self, tx: Tx, ids: Iterable[str]) -> list[StreamEvent]:
        found: list[StreamEvent] = []
        for identifier in ids:
            lines = outputs.find(tx, identifier, after_seq=self._cursors.get(identifier, -1))
            if not lines:
                continue
            entry = executions.get(tx, identifier, result=False)
            refs = {"action_ref": entry.action, "runner_ref": entry.runner} if entry else {}
            found += [StreamEvent(OUTPUT, identifier, {**output_shape(line), **refs}) for line in lines]
            self._cursors.pop(identifier, None)
            self._cursors[identifier] = lines[-1].seq
        while len(self._cursors) > _MOST_CURSORS:
            del self._cursors[next(iter(self._cursors))]
        return found


def output_shape(line: Any) -> dict[str, Any]:
    """One piece of output in StackStorm's form."""
    return {
        "id": f"{line.execution_id}-{line.seq}",
        "execution_id": line.execution_id,
        "timestamp": line.timestamp,
        "output_type": line.stream,
        "data": line.data,
    }


def choice_of(
    events: Sequence[str], action_refs: Sequence[str], execution_ids: Sequence[str]
) -> Callable[[StreamEvent], bool]:
    """True for the events a caller wants: names as globs, refs and ids exactly; an empty list = all."""

    def chosen(event: StreamEvent) -> bool:
        if events and not any(fnmatchcase(event.name, pattern) for pattern in events):
            return False
        if action_refs and event.data.get("action_ref") not in action_refs:
            return False
        return not execution_ids or event.execution_id in execution_ids

    return chosen
