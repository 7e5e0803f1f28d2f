"""Requesting executions, and asking running ones to cancel, pause or resume: the one door for both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from st_ops.bus.interface import Bus
from st_ops.errors import ExpressionError, IllegalMove, InvalidInput, NotFound, UserError
from st_ops.executions.lifecycle import Bells, Lifecycle
from st_ops.executions.parameters import ParameterRendering
from st_ops.model.base import Model, Object
from st_ops.model.bells import Bell, Topic
from st_ops.model.executions import WORKFLOW_QUEUE, Execution, TaskIdentity
from st_ops.model.identity import new_id, now
from st_ops.model.resources import Action
from st_ops.model.runner_types import resolve
from st_ops.model.status import Status
from st_ops.packs.catalog import Catalog, Snapshot
from st_ops.store import executions
from st_ops.store.database import Database, Tx
from st_ops.store.executions import Move


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
    #: Milliseconds to hold it before it may start (StackStorm's ``delay``).
    delay: int = 0
    ready_at: datetime | None = None
    notify: Object = Field(default_factory=dict)
    #: Names that parameter templates may use beyond StackStorm's, e.g. ``trigger``.
    names: dict[str, Any] = Field(default_factory=dict)
    #: Parameters that the caller rendered already: literal, not templates.
    literal: bool = False


class Requests:
    """Turns wishes into executions."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        catalog: Catalog,
        lifecycle: Lifecycle,
        parameters: ParameterRendering,
    ) -> None:
        self._database = database
        self._bus = bus
        self._catalog = catalog
        self._lifecycle = lifecycle
        self._parameters = parameters

    def request(self, wish: Request) -> tuple[Execution, bool]:
        """Store one execution and ring; answers it and whether it is new (False: the run key had it already).

        Raises NotFound for an unknown action, UserError for a disabled one, InvalidInput naming the
        parameter that is wrong; then nothing is stored.
        """
        entry = self._prepare(self._catalog.current(), wish)
        with self._database.write() as tx:
            stored = executions.insert_new(tx, [entry], actor=wish.user or "system")[0]
        new = stored.id == entry.id
        if new:
            self._bus.publish(Bell(topic=Topic.EXECUTION_REQUESTED, ids=[stored.id]))
        return stored, new

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
                prepared.append(self._bare(snapshot, wish))
                refused[wish.id] = str(exc)
        stored: list[Execution] = []
        by_actor: dict[str, list[Execution]] = {}
        for entry in prepared:
            by_actor.setdefault(entry.user or "system", []).append(entry)
        answers = {}
        for actor, entries in by_actor.items():
            for entry, found in zip(entries, executions.insert_new(tx, entries, actor=actor), strict=True):
                answers[entry.id] = found
        stored = [answers[entry.id] for entry in prepared]
        new = [found.id for entry, found in zip(prepared, stored, strict=True) if entry.id == found.id]
        bells.requested += [identifier for identifier in new if identifier not in refused]
        failures = [
            Move(execution_id=key, status=Status.FAILED, reason=why, result={"error": why, "failed": True})
            for key, why in refused.items()
            if key in new
        ]
        if failures:
            self._lifecycle.move_in(tx, failures, bells)
        return stored

    def _prepare(self, snapshot: Snapshot, wish: Request) -> Execution:
        action = snapshot.action(wish.action)
        if not action.enabled:
            raise UserError(
                f"Action '{action.ref}' is disabled. 'st-ops action enable {action.ref}' enables it."
            )
        parameters = self._parameters.for_request(
            action,
            wish.parameters,
            user=wish.user,
            context=wish.context,
            names=wish.names,
            literal=wish.literal,
        )
        return self._entry(action, wish, parameters)

    def _bare(self, snapshot: Snapshot, wish: Request) -> Execution:
        action = snapshot.actions.get(wish.action)
        if action is None:
            pack, _, name = wish.action.partition(".")
            action = Action(pack=pack, name=name, runner_type="noop")
        return self._entry(action, wish, self._parameters.sealed(action, wish.parameters))

    def _entry(self, action: Action, wish: Request, parameters: Object) -> Execution:
        runner = resolve(action.runner_type)
        moment = now()
        ready = wish.ready_at or moment + timedelta(milliseconds=wish.delay)
        return Execution(
            id=wish.id, action=action.ref, runner=runner.name,
            status=Status.DELAYED if ready > moment else Status.REQUESTED,
            parameters=parameters, context={"user": wish.user, "pack": action.pack, **wish.context},
            user=wish.user, parent_id=wish.parent_id, root_id=wish.root_id or wish.id, task=wish.task, rule=wish.rule,
            trigger_instance_id=wish.trigger_instance_id, trace_id=wish.trace_id or wish.id, run_key=wish.run_key,
            queue=WORKFLOW_QUEUE if runner.is_workflow else action.queue, needs=action.needs, priority=action.priority,
            idempotent=action.idempotent, ready_at=ready, created_at=moment, notify=wish.notify,
        )  # fmt: skip

    def cancel(self, execution_id: str, user: str) -> Execution:
        """Ask an execution to stop: canceled at once when nothing runs yet, else canceling.

        A workflow's engine then cancels its tasks. Raises NotFound, and IllegalMove when it is over.
        """
        waiting = frozenset({Status.REQUESTED, Status.SCHEDULED, Status.DELAYED})
        reason = f"canceled by {user}"

        def wish(status: Status, only_from: frozenset[Status] = frozenset()) -> Move:
            return Move(
                execution_id=execution_id, status=status, actor=user, reason=reason, only_from=only_from
            )

        return self._ask(execution_id, [wish(Status.CANCELED, waiting), wish(Status.CANCELING)])

    def pause(self, execution_id: str, user: str) -> Execution:
        """Ask a workflow to start no further tasks. Raises NotFound, InvalidInput for a plain action, IllegalMove."""
        self._only_workflows(execution_id, "paused")
        wish = Move(execution_id=execution_id, status=Status.PAUSING, actor=user, reason=f"paused by {user}")
        return self._ask(execution_id, [wish])

    def resume(self, execution_id: str, user: str) -> Execution:
        """Let a paused workflow go on. Raises NotFound, InvalidInput for a plain action, IllegalMove."""
        self._only_workflows(execution_id, "resumed")
        wish = Move(
            execution_id=execution_id, status=Status.RESUMING, actor=user, reason=f"resumed by {user}"
        )
        return self._ask(execution_id, [wish])

    def _only_workflows(self, execution_id: str, what: str) -> None:
        with self._database.read() as tx:
            found = executions.get(tx, execution_id, result=False)
        if found is not None and found.queue != WORKFLOW_QUEUE:
            raise InvalidInput(
                f"Execution {execution_id} runs '{found.action}', which is no workflow; only workflows can be {what}."
            )

    def _ask(self, execution_id: str, choices: Sequence[Move]) -> Execution:
        """Make the first of the moves that is legal."""
        bells = Bells()
        with self._database.write() as tx:
            done = []
            for choice in choices:
                done = self._lifecycle.move_in(tx, [choice], bells)
                if not done[0].refused:
                    break
            found = executions.get(tx, execution_id)
        if found is None:
            raise NotFound("execution", execution_id)
        if done[0].refused:
            raise IllegalMove(execution_id, found.status, choices[-1].status)
        if found.queue == WORKFLOW_QUEUE and execution_id not in bells.canceling:
            bells.canceling.append(execution_id)
        bells.ring(self._bus)
        return found
