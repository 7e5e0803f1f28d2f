"""Changing statuses, with all that a change entails: audit (in the store), events for rules, bells.

Every stage moves executions through here; the store's ``move`` checks that the move is legal.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import orjson

from st_ops.bus.interface import Bus
from st_ops.executions import probes, requirements
from st_ops.executions.limits import Limits
from st_ops.executions.pacing import too_soon
from st_ops.executions.questions import INQUIRY_TRIGGER, asked_event
from st_ops.expressions.masking import mask
from st_ops.expressions.parameter_schema import schema_of
from st_ops.intake.accept import emit
from st_ops.metrics import Metrics
from st_ops.model.bells import Bell, Topic
from st_ops.model.events import NewEvent
from st_ops.model.executions import PROBE_OF, WORKFLOW_QUEUE, Execution
from st_ops.model.identity import iso, now
from st_ops.model.runner_types import resolve
from st_ops.model.status import TERMINAL, Status, may_move
from st_ops.packs.catalog import Catalog, Snapshot
from st_ops.security.results import mask_result
from st_ops.security.secrets import masked_sealed
from st_ops.store import claims, executions, slots
from st_ops.store.database import Database, Tx
from st_ops.store.executions import UNSET, Move, Moved, Unset

#: StackStorm's trigger for every finished execution; emitted only while a rule listens.
ACTION_TRIGGER = "core.st2.generic.actiontrigger"
#: StackStorm's trigger for notifications that an action or a workflow asks for.
NOTIFY_TRIGGER = "core.st2.generic.notifytrigger"


#: What a workflow is told of its children.
_CONCERNS_PARENT = TERMINAL | {Status.PENDING, Status.PAUSED, Status.RUNNING, Status.RESUMING}


#: Ends that a retry policy may turn into a further try.
_MAY_BE_TRIED_AGAIN = frozenset({Status.FAILED, Status.TIMEOUT, Status.ABANDONED})


@dataclass
class Bells:
    """What to ring once the transaction is committed."""

    #: Took a status that is not an end.
    changed: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    #: Children of workflows that ended, halted or run again: their workflows' engines look.
    tasks: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    #: Workflows that a workflow engine may begin.
    workflows: list[str] = field(default_factory=list)
    canceling: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    #: What else waits for the commit: figures that must not count what was rolled back.
    after: list[Callable[[], None]] = field(default_factory=list)

    def request(self, execution_id: str, queue: str) -> None:
        """An execution is ready: who takes from its queue is to look."""
        (self.workflows if queue == WORKFLOW_QUEUE else self.requested).append(execution_id)

    def note(self, execution: Execution, move: Move) -> None:
        """An execution was moved: whom it concerns is to be rung."""
        (self.finished if move.status.terminal else self.changed).append(execution.id)
        if execution.parent_id is not None and move.status in _CONCERNS_PARENT:
            self.tasks.append(execution.id)
        if move.status is Status.CANCELING:
            self.canceling.append(execution.id)
        elif move.status is Status.REQUESTED:
            self.request(execution.id, execution.queue)

    def ring(self, bus: Bus) -> None:
        """Publish them, and do what else waited for the commit."""
        for topic, ids in (
            (Topic.TASK_CHANGED, self.tasks),
            (Topic.EXECUTION_FINISHED, self.finished),
            (Topic.EXECUTION_REQUESTED, self.requested),
            (Topic.WORKFLOW_REQUESTED, self.workflows),
            (Topic.EVENT_ACCEPTED, self.accepted),
            (Topic.EXECUTION_CANCEL, self.canceling),
            (Topic.EXECUTION_CHANGED, self.changed),
        ):
            if ids:
                bus.publish(Bell(topic=topic, ids=ids))
        for call in self.after:
            call()
        self.after.clear()


class Lifecycle:
    """Moves executions."""

    def __init__(
        self, database: Database, bus: Bus, catalog: Catalog, limits: Limits, metrics: Metrics | None = None
    ) -> None:
        """``metrics`` count what ends; None counts for nobody."""
        self._metrics = metrics or Metrics()
        self._database = database
        self._bus = bus
        self._catalog = catalog
        self._limits = limits
        self._ask_probe: Callable[[Tx, Execution, Bells], None] | None = None

    def probe_through(self, ask: Callable[[Tx, Execution, Bells], None]) -> None:
        """Let ``ask`` request the probe of an execution whose outcome is unknown, in the same transaction.

        Without it such executions are abandoned.
        """
        self._ask_probe = ask

    def move(self, moves: Sequence[Move]) -> list[Moved]:
        """Move in a transaction of its own and ring."""
        bells = Bells()
        with self._database.write() as tx:
            done = self.move_in(tx, moves, bells)
        bells.ring(self._bus)
        return done

    def move_in(self, tx: Tx, moves: Sequence[Move], bells: Bells) -> list[Moved]:
        """Move within the caller's transaction; the caller rings ``bells`` after its commit."""
        # First, since whoever admits has the keys before the rows.
        slots.lock_of(tx, {wish.execution_id for wish in moves if wish.limited})
        done = executions.move(tx, moves, self._rewritten)
        made = [
            (entry, entry.execution) for entry in done if entry.execution is not None and not entry.refused
        ]
        for entry, execution in made:
            bells.note(execution, entry.move)
            if entry.move.probe and self._ask_probe is not None:
                self._ask_probe(tx, execution, bells)
        over = [entry for entry, _ in made if entry.move.status.terminal]
        again = [execution.id for entry, execution in made if entry.move.retry and execution.limited]
        if over:
            bells.after.append(partial(_count, self._metrics, over))
            self._announce(tx, over, {ACTION_TRIGGER: action_event, NOTIFY_TRIGGER: notify_event}, bells)
            self._heed_probes(tx, over, bells)
        if asked := [entry for entry, _ in made if entry.move.status is Status.PENDING]:
            self._announce(tx, asked, {INQUIRY_TRIGGER: asked_event}, bells)
        if over or again:
            # Whoever ends, or rests before another try, makes room: in this transaction, so that it cannot be lost.
            freed = slots.release(
                tx, [one.id for entry, one in made if entry.move.status.terminal and one.limited]
            )
            freed |= requirements.open_for(tx, over, self._catalog.cached().required)
            self.admit_in(tx, freed | slots.give_back(tx, again), bells)
        return done

    def claim_in(
        self,
        tx: Tx,
        worker_id: str,
        queues: Collection[str],
        labels: Collection[str],
        limit: int,
        *,
        actor: str = "",
        slotless: Collection[str] = (),
        registered: bool = False,
    ) -> list[Execution]:
        """Let a worker take up to ``limit`` ready executions; those whose action's rate is used up are delayed.

        ``slotless`` and ``registered``: see the store's ``claim``.
        """

        def hold(candidates: Sequence[Execution]) -> Mapping[str, datetime]:
            # Seen in this transaction, so that every claimed action is run as it is registered now.
            return too_soon(tx, self._limits, self._catalog.current(tx), candidates)

        return claims.claim(
            tx,
            worker_id,
            queues,
            labels,
            limit,
            actor=actor,
            hold=hold,
            slotless=slotless,
            registered=registered,
        )

    def admit_in(self, tx: Tx, keys: Collection[str], bells: Bells) -> None:
        """Make ready what waits under these concurrency keys and has room now."""
        self.admitted_in(tx, slots.admit(tx, keys), bells)

    def admitted_in(self, tx: Tx, admitted: Sequence[str], bells: Bells) -> None:
        """Make ready what waited and has its slots now."""
        if not admitted:
            return
        executions.end_waiting(tx, admitted)
        for done in executions.move(tx, [_admitted(identifier) for identifier in admitted]):
            if not done.refused and done.execution is not None:
                bells.request(done.execution.id, done.execution.queue)

    def admit_waiting(self) -> bool:
        """The sweep: what waits for a slot, is due and has room; True when something was admitted."""
        with self._database.read() as tx:
            if not (slots.with_waiting(tx) or requirements.anything_waits(tx)):
                return False
        bells = Bells()
        with self._database.write() as tx:
            self.admit_in(tx, slots.with_waiting(tx), bells)
        # Apart, since each takes its keys before it locks rows.
        with self._database.write() as tx:
            met, ends = requirements.sweep(tx)
            self.admit_in(tx, met, bells)
        if ends:
            with self._database.write() as tx:
                self.move_in(tx, ends, bells)
        bells.ring(self._bus)
        return bool(bells.requested or bells.workflows)

    def _heed_probes(self, tx: Tx, over: Sequence[Moved], bells: Bells) -> None:
        """Decide what probes that ended were asked about."""
        for entry in over:
            probe = entry.execution
            if probe is None or PROBE_OF not in probe.context:
                continue
            lost = executions.get(tx, str(probe.context[PROBE_OF]), result=False)
            if lost is not None and probes.asks_about(probe, lost):
                self.move_in(tx, [probes.verdict(entry, lost)], bells)

    def _probed(self, wish: Move, current: Execution) -> Move | None:
        """The move while a probe is asked, when an outcome is unknown and the action names one."""
        if wish.status is not Status.ABANDONED or wish.final or self._ask_probe is None:
            return None
        action = self._catalog.cached().actions.get(current.action)
        if action is None or not action.probe or not may_move(current.status, Status.PENDING):
            return None
        reason = f"{wish.reason}; '{action.probe}' is asked whether it took effect"
        return replace(wish, status=Status.PENDING, reason=reason, result=UNSET, probe=True)

    def _rewritten(self, wish: Move, current: Execution) -> Move:
        """The move itself, or what a probe or a retry policy makes of it."""
        if wish.status is Status.CANCELING and current.status is Status.PENDING:
            # Nobody holds a pending action, so nobody would end it; a workflow has its engine.
            return wish if current.queue == WORKFLOW_QUEUE else replace(wish, status=Status.CANCELED)
        return self._probed(wish, current) or self._or_again(wish, current)

    def _or_again(self, wish: Move, current: Execution) -> Move:
        """The move itself, or the further try that a retry policy makes of it."""
        if wish.final or wish.status not in _MAY_BE_TRIED_AGAIN or current.status is Status.CANCELING:
            return wish
        if current.attempt == 0 or current.queue == WORKFLOW_QUEUE:
            return wish
        if not may_move(current.status, Status.DELAYED):
            # A question that nobody answered is not put again.
            return wish
        retry = self._limits.of(self._catalog.cached(), current.action).retry
        result = None if isinstance(wish.result, Unset) else wish.result
        if retry is None or not self._limits.retries(retry, wish.status, result, current.retries):
            return wish
        pause = retry.pause(current.retries, random.random())  # noqa: S311 - jitter, no secret
        ready = now() + timedelta(seconds=pause)
        following = f"try {current.retries + 1} of {retry.count} follows"
        reason = f"{wish.status}: {wish.reason or 'no reason given'}; {following}"
        return replace(wish, status=Status.DELAYED, reason=reason, result=UNSET, retry=True, ready_at=ready)

    def _announce(
        self,
        tx: Tx,
        made: Sequence[Moved],
        makers: Mapping[str, Callable[[Moved, Snapshot], NewEvent | None]],
        bells: Bells,
    ) -> None:
        """Emit what each of ``makers`` (by trigger) makes of these moves, as far as any rule listens."""
        snapshot = self._catalog.current(tx)
        for trigger, make in makers.items():
            if trigger not in snapshot.listened:
                continue
            found = [make(entry, snapshot) for entry in made if entry.execution is not None]
            for event in [event for event in found if event is not None]:
                answers = emit(tx, [event])
                bells.accepted += [answer.id for answer in answers if not answer.duplicate]


def _count(metrics: Metrics, over: Sequence[Moved]) -> None:
    for entry in over:
        one = entry.execution
        if one is None:
            continue
        start = one.start_timestamp
        waited = None if start is None else (start - one.created_at).total_seconds()
        ran = None if start is None else (entry.at - start).total_seconds()
        metrics.observe_end(one.action, entry.move.status.value, waited, ran, task=one.task is not None)


def _admitted(execution_id: str) -> Move:
    return Move(execution_id=execution_id, status=Status.REQUESTED, reason="nothing holds it back any more")


def _facts(entry: Moved, snapshot: Snapshot) -> tuple[Execution, dict[str, object], object]:
    execution = entry.execution
    assert execution is not None
    action = snapshot.actions.get(execution.action)
    parameters = mask(schema_of(action) if action else {}, masked_sealed(execution.parameters))
    result = masked_sealed(None if isinstance(entry.move.result, Unset) else entry.move.result)
    if action is not None:
        result = mask_result(action, resolve(action.runner_type), result)
    return execution, parameters, result


def action_event(entry: Moved, snapshot: Snapshot) -> NewEvent | None:
    """The event that tells rules of a finished execution (StackStorm 1.5)."""
    execution, parameters, result = _facts(entry, snapshot)
    started = execution.start_timestamp or execution.created_at
    payload = {
        "execution_id": execution.id,
        "status": entry.move.status.value,
        "start_timestamp": iso(started),
        "action_name": execution.action.partition(".")[2],
        "action_ref": execution.action,
        "runner_ref": execution.runner,
        "parameters": parameters,
        "result": result,
    }
    return NewEvent(
        trigger=ACTION_TRIGGER, payload=payload, delivery=f"execution/{execution.id}/{entry.move.status}",
        series=execution.action, source=f"execution {execution.id}",
    )  # fmt: skip


def notify_event(entry: Moved, snapshot: Snapshot) -> NewEvent | None:
    """The event of a ``notify`` block: on-complete, else on-success or on-failure (StackStorm 1.12)."""
    execution, _, result = _facts(entry, snapshot)
    action = snapshot.actions.get(execution.action)
    notify = execution.notify or (action.notify if action else {})
    outcome = "on-success" if entry.move.status is Status.SUCCEEDED else "on-failure"
    block = notify.get("on-complete") or notify.get(outcome) or notify.get(outcome.replace("-", "_"))
    if not block:
        return None
    routes = block.get("routes") or block.get("channels") or ["default"]
    payload = {
        "execution_id": execution.id,
        "status": entry.move.status.value,
        "start_timestamp": iso(execution.start_timestamp or execution.created_at),
        "end_timestamp": iso(entry.at),
        "action_ref": execution.action,
        "runner_ref": execution.runner,
        "channel": routes[0],
        "route": routes[0],
        "message": block.get("message", ""),
        "data": {**(block.get("data") or {}), "result": orjson.dumps(result, default=str).decode()},
    }
    return NewEvent(
        trigger=NOTIFY_TRIGGER, payload=payload, delivery=f"notify/{execution.id}/{entry.move.status}",
        source=f"execution {execution.id}",
    )  # fmt: skip
