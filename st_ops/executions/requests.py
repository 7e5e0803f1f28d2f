"""Requesting executions: the one door for everybody who wants an action run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from st_ops.bus.interface import Bus
from st_ops.errors import ExpressionError, InvalidInput, UserError
from st_ops.executions.at_limit import when_full
from st_ops.executions.lifecycle import Bells, Lifecycle
from st_ops.executions.limits import Limits
from st_ops.executions.parameters import ParameterRendering
from st_ops.executions.passing import IdleWorker
from st_ops.executions.placement import place
from st_ops.executions.probes import probe_parameters
from st_ops.executions.requirements import held_back
from st_ops.expressions.parameter_schema import schema_of
from st_ops.expressions.parameters import plain_defaults
from st_ops.model.base import Model, Object
from st_ops.model.executions import HIDDEN, PROBE_OF, PROBED_BY, WORKFLOW_QUEUE, Execution, TaskIdentity
from st_ops.model.identity import new_id, now
from st_ops.model.limits import Rate, SlotLimit
from st_ops.model.requirements import Requirement
from st_ops.model.resources import Action
from st_ops.model.runner_types import resolve
from st_ops.model.status import Status
from st_ops.packs.catalog import Catalog, Snapshot
from st_ops.store import executions, rates, run_keys, slots
from st_ops.store.database import Database, Tx
from st_ops.store.executions import Move
from st_ops.store.group_commit import GroupCommit


class Request(Model):
    """The wish to run an action. ``parameters`` as given by the caller, before defaults and casts."""

    id: str = Field(default_factory=new_id)
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
    #: When the run that has the key ended without success, a new one takes over the key.
    retry: bool = False
    #: Where it runs, and what the worker must offer; "" and none = as the action says.
    queue: str = ""
    needs: list[str] = Field(default_factory=list)
    #: Milliseconds to hold it before it may start (StackStorm's ``delay``).
    delay: int = 0
    ready_at: datetime | None = None
    notify: Object = Field(default_factory=dict)
    #: Names that parameter templates may use beyond StackStorm's, e.g. ``trigger``.
    names: dict[str, Any] = Field(default_factory=dict)
    #: Seconds a run may take; None = as the action and its policies say.
    timeout: float | None = None
    #: None = as the action says.
    priority: int | None = None
    #: The ``concurrency`` of the rule that asks.
    concurrency: Object = Field(default_factory=dict)
    #: Parameters that the caller rendered already: literal, not templates.
    literal: bool = False
    #: Texts in the parameters that are secret though no schema says so: decrypted key-values, secret outputs.
    hidden: list[str] = Field(default_factory=list, repr=False)
    #: Leave the temporary folders of the runs, and say where they are.
    keep_workdir: bool = False


@dataclass(frozen=True)
class Prepared:
    """An execution about to be stored, the slots it needs, and what must have succeeded before."""

    entry: Execution
    limits: tuple[SlotLimit, ...]
    requires: tuple[Requirement, ...] = ()
    #: Take the run key over from a run that failed.
    retry: bool = False


class Requests:
    """Turns wishes into executions. Concurrent ``request`` calls share a commit."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        catalog: Catalog,
        lifecycle: Lifecycle,
        parameters: ParameterRendering,
        limits: Limits,
    ) -> None:
        self._limits = limits
        self._bells = Bells()
        self._commit: GroupCommit[Prepared, Execution] = GroupCommit(
            "requests", database, self._write, self._ring, failed=self._forget
        )
        self._worker: IdleWorker | None = None
        #: What the worker took in the transaction under way.
        self._taken: Sequence[Execution] = ()
        self._database = database
        self._bus = bus
        self._catalog = catalog
        self._lifecycle = lifecycle
        self._parameters = parameters
        lifecycle.probe_through(self._probe_in)

    def hand_to(self, worker: IdleWorker) -> None:
        """Let this worker take lone requests while it is idle."""
        self._worker = worker

    def request(self, wish: Request) -> tuple[Execution, bool]:
        """Store one execution and ring; answers it and whether it is new (False: the run key had it already).

        Raises NotFound for an unknown action, UserError for a disabled one, InvalidInput naming the
        parameter that is wrong; then nothing is stored.
        """
        snapshot = self._catalog.cached()
        if wish.action not in snapshot.actions:
            snapshot = self._catalog.current()
        stored = self._commit.store(self._prepare(snapshot, wish))
        return stored, stored.id == wish.id

    def request_many(self, wishes: Sequence[Request]) -> list[tuple[Execution, bool]]:
        """Store several executions in one commit, or none; answers each and whether it is new.

        Raises as ``request``, naming the wish (from 0) that cannot be granted.
        """
        snapshot = self._catalog.current()
        prepared = []
        for number, wish in enumerate(wishes):
            try:
                prepared.append(self._prepare(snapshot, wish))
            except (UserError, ExpressionError) as exc:
                raise InvalidInput(f"executions[{number}]: {exc}", where=f"executions[{number}]") from exc
        bells = Bells()
        with self._database.write() as tx:
            stored = self._store(tx, snapshot, prepared, bells)
        bells.ring(self._bus)
        return [(entry, entry.id == wish.id) for entry, wish in zip(stored, wishes, strict=True)]

    def close(self) -> None:
        """Store what was asked for and take no more. Idempotent."""
        self._commit.close()

    def _write(self, tx: Tx, batch: Sequence[Prepared]) -> list[Execution]:
        # One batch is written and rung for at a time, so one set of bells is enough.
        self._bells = Bells()
        # By what they were prepared with. Whether the registry has changed was asked with the first of them, so that
        # the next will be prepared with what it is now.
        stored = self._store(tx, self._catalog.cached(), batch, self._bells)
        self._catalog.current(tx)
        if self._worker is not None and len(batch) == 1 and self._bells.requested:
            self._taken = self._worker.take(tx)
        return stored

    def _ring(self, stored: Sequence[Execution]) -> None:
        taken, self._taken = self._taken, ()
        if self._worker is not None and taken:
            self._worker.begin(taken, self._bells)
        else:
            self._bells.ring(self._bus)

    def _forget(self) -> None:
        if self._worker is not None and self._taken:
            self._worker.forget()
        self._taken = ()

    def request_in(self, tx: Tx, wishes: Sequence[Request], bells: Bells) -> list[Execution]:
        """Likewise within the caller's transaction, for engines; the caller rings ``bells`` after its commit.

        A wish that cannot be granted becomes an execution that failed with the reason, so that it is seen.
        """
        snapshot = self._catalog.current(tx)
        prepared, refused = [], {}
        for wish in wishes:
            try:
                prepared.append(self._prepare(snapshot, wish))
            except (UserError, ExpressionError) as exc:
                prepared.append(Prepared(self._bare(snapshot, wish), ()))
                refused[wish.id] = str(exc)
        stored = self._store(tx, snapshot, prepared, bells)
        new = {entry.id for entry in stored}
        failures = [
            Move(execution_id=key, status=Status.FAILED, reason=why, result={"error": why, "failed": True})
            for key, why in refused.items()
            if key in new
        ]
        if failures:
            self._lifecycle.move_in(tx, failures, bells)
        return stored

    def _store(
        self, tx: Tx, snapshot: Snapshot, prepared: Sequence[Prepared], bells: Bells
    ) -> list[Execution]:
        """Store what is new, with its slots; answers the executions that stand for the wishes."""
        slots.lock(tx, {limit.key for item in prepared for limit in item.limits})
        rates.lock(tx, {item.entry.action for item in prepared if self._rate(snapshot, item)})
        prepared = [self._held_back(tx, self._taken_over(tx, item)) for item in prepared]
        entries = [self._paced(tx, snapshot, item) for item in prepared]
        answers: dict[str, Execution] = {}
        by_actor: dict[str, list[Execution]] = {}
        for entry in entries:
            by_actor.setdefault(entry.user or "system", []).append(entry)
        for actor, mine in by_actor.items():
            for entry, found in zip(mine, executions.insert_new(tx, mine, actor=actor), strict=True):
                answers[entry.id] = found
        new = {key for key, found in answers.items() if found.id == key}
        limited = {item.entry.id: item.limits for item in prepared if item.limits and item.entry.id in new}
        waiting = self._admit(tx, limited, bells) if limited else set()
        for entry in entries:
            if entry.id in new and entry.id not in waiting:
                bells.request(entry.id, entry.queue)
            if entry.id in limited and entry.id not in waiting:
                ready = {"status": Status.REQUESTED, "waits_for_slot": False, "reason": ""}
                answers[entry.id] = entry.model_copy(update=ready)
        return [answers[entry.id] for entry in entries]

    def _taken_over(self, tx: Tx, item: Prepared) -> Prepared:
        """With the run key free for it, when its holder failed and another try is wished."""
        entry = item.entry
        if not item.retry or entry.run_key is None:
            return item
        old = run_keys.take_over(tx, entry, entry.user or "system")
        if old is None:
            return item
        return replace(
            item, entry=entry.model_copy(update={"context": {**entry.context, "retry_of": old.id}})
        )

    def _held_back(self, tx: Tx, item: Prepared) -> Prepared:
        """With a closed slot for everything it requires and that is not there yet."""
        if not item.requires:
            return item
        entry, closed = held_back(tx, item.entry, item.requires)
        return replace(item, entry=entry, limits=(*item.limits, *closed))

    def _rate(self, snapshot: Snapshot, item: Prepared) -> Rate | None:
        return self._limits.of(snapshot, item.entry.action).rate

    def _paced(self, tx: Tx, snapshot: Snapshot, item: Prepared) -> Execution:
        """The execution as it is stored: not before its rate allows, and not ready before it has its slots."""
        entry = item.entry
        rate = self._rate(snapshot, item)
        # One that is delayed, or exists already, is promised nothing: rates are kept when executions start.
        if (
            rate
            and entry.status is Status.REQUESTED
            and not run_keys.is_taken(tx, entry.action, entry.run_key)
        ):
            ready = rates.give(tx, entry.action, rate, entry.ready_at)
            if ready > entry.ready_at:
                entry = entry.model_copy(
                    update={"ready_at": ready, "status": Status.DELAYED, "reason": "rate limit"}
                )
        if item.limits:
            keys = ", ".join(f"'{limit.key}' (limit {limit.limit})" for limit in item.limits)
            waits = {
                "waits_for_slot": True,
                "limited": True,
                "status": Status.DELAYED,
                "reason": entry.reason or f"waits for a slot of {keys}",
            }
            entry = entry.model_copy(update=waits)
        return entry

    def _admit(self, tx: Tx, limited: Mapping[str, Sequence[SlotLimit]], bells: Bells) -> set[str]:
        """Give out slots; for those without one, do what their limits say. Answers who waits (or is over)."""
        slots.add(tx, limited)
        admitted = set(slots.admit(tx, {limit.key for limits in limited.values() for limit in limits}))
        executions.make_ready(tx, sorted(admitted & set(limited)))
        # Others may have waited for a moment that has come meanwhile.
        self._lifecycle.admitted_in(tx, sorted(admitted - set(limited)), bells)
        waiting = set(limited) - admitted
        moves = [move for key in sorted(waiting) for move in when_full(tx, key, limited[key])]
        if moves:
            self._lifecycle.move_in(tx, moves, bells)
        return waiting

    def _prepare(self, snapshot: Snapshot, wish: Request) -> Prepared:
        action = snapshot.action(wish.action)
        if not action.enabled:
            raise UserError(
                f"Action '{action.ref}' is disabled. 'st-ops action enable {action.ref}' enables it."
            )
        names = self._parameters.names(action, wish.user, wish.context, wish.names)
        with self._parameters.noting() as decrypted:
            rendered = self._parameters.for_request(action, wish.parameters, names, literal=wish.literal)
        wish, hidden = self._hiding(wish, decrypted)
        # Keys see every parameter of the run: what was not given is there by its default.
        seen = {**plain_defaults(schema_of(action)), **rendered}
        limits = self._limits.slots(snapshot, action, names, seen, wish.concurrency, wish.rule or "")
        stored = self._parameters.sealed(action, rendered, hidden=hidden, given=wish.parameters)
        entry = self._entry(action, wish, stored)
        if entry.queue == WORKFLOW_QUEUE and entry.timeout is None:
            entry = entry.model_copy(update={"timeout": self._limits.of(snapshot, action.ref).timeout})
        requires = self._limits.requires(action, wish.run_key, names, seen)
        return Prepared(entry, tuple(limits), requires, wish.retry)

    def _bare(self, snapshot: Snapshot, wish: Request) -> Execution:
        action = snapshot.actions.get(wish.action)
        if action is None:
            pack, _, name = wish.action.partition(".")
            action = Action(pack=pack, name=name, runner_type="noop")
        wish, hidden = self._hiding(wish, ())
        return self._entry(action, wish, self._parameters.sealed(action, wish.parameters, hidden=hidden))

    def _hiding(self, wish: Request, decrypted: Sequence[str]) -> tuple[Request, list[str]]:
        """The wish with all that its run must not show noted in its context, and these texts."""
        if not (wish.hidden or decrypted or HIDDEN in wish.context):
            return wish, []
        context = self._parameters.with_hidden(wish.context, [*wish.hidden, *decrypted])
        return wish.model_copy(update={"context": context}), self._parameters.hidden_in(context)

    def _entry(self, action: Action, wish: Request, parameters: Object) -> Execution:
        runner = resolve(action.runner_type)
        moment = now()
        ready = wish.ready_at or moment + timedelta(milliseconds=wish.delay)
        where = place(action, wish.queue, wish.needs, wish.context)
        context = {"user": wish.user, "pack": action.pack, **wish.context}
        if wish.keep_workdir:
            context["keep_workdir"] = True
        if runner.is_workflow:
            context |= where.for_tasks()
        return Execution(
            id=wish.id, action=action.ref, runner=runner.name,
            status=Status.DELAYED if ready > moment else Status.REQUESTED,
            parameters=parameters, context=context,
            user=wish.user, parent_id=wish.parent_id, root_id=wish.root_id or wish.id, task=wish.task, rule=wish.rule,
            trigger_instance_id=wish.trigger_instance_id, trace_id=wish.trace_id or wish.id, run_key=wish.run_key,
            queue=WORKFLOW_QUEUE if runner.is_workflow else where.queue,
            needs=[] if runner.is_workflow else where.needs,
            priority=action.priority if wish.priority is None else wish.priority, timeout=wish.timeout,
            idempotent=action.idempotent or PROBE_OF in wish.context, ready_at=ready, created_at=moment,
            notify=wish.notify,
        )  # fmt: skip

    def _probe_in(self, tx: Tx, lost: Execution, bells: Bells) -> None:
        """Request the probe of an execution whose outcome is unknown."""
        snapshot = self._catalog.current(tx)
        ref = snapshot.action(lost.action).probe
        wish = Request(
            action=ref, parameters=probe_parameters(lost, snapshot.actions.get(ref)), user=lost.user, literal=True,
            context={PROBE_OF: lost.id}, root_id=lost.root_id, trace_id=lost.trace_id, priority=lost.priority,
        )  # fmt: skip
        noted = {**lost.context, PROBED_BY: {"execution_id": wish.id, "action": ref}}
        executions.set_context(tx, lost.id, noted)
        self.request_in(tx, [wish], bells)
