"""The execution as StackStorm's clients know it (reference, part 2), built here and nowhere else.

One row of ours stands for StackStorm's ActionExecution and LiveAction alike, so both have the same id.
What is embedded (action, runner, rule, trigger …) is looked up only when the caller wants it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from st_ops.api.content_shapes import action_shape, rule_shape, runner_shape, trigger_type_shape
from st_ops.api.fields import Fields
from st_ops.api.masking import Mask
from st_ops.expressions.parameter_schema import effective_schema
from st_ops.model.events import TriggerInstance
from st_ops.model.executions import HIDDEN, Execution
from st_ops.model.identity import iso
from st_ops.model.resources import Action, Resource
from st_ops.model.runner_types import RUNNER_TYPES, RunnerType
from st_ops.model.status import Status
from st_ops.packs.catalog import Snapshot
from st_ops.store import audit, events, history, workers
from st_ops.store.database import Tx

R = TypeVar("R", bound=Resource)

#: So many kinds of execution are remembered: histories may have any number of actions that are no more.
_MOST_KINDS = 5_000

#: What started it: looked up together.
_CAUSE = ("rule", "trigger_instance", "trigger", "trigger_type")


class _Kind:
    """What executions of one action have in common, made when it is wanted."""

    def __init__(self, action: Action, runner: RunnerType, mask: Mask) -> None:
        self.action = action
        self.runner = runner
        self._mask = mask

    @functools.cached_property
    def schema(self) -> dict[str, Any]:
        return effective_schema(self.runner.parameters, self.action.parameters)

    @functools.cached_property
    def action_shape(self) -> dict[str, Any]:
        return action_shape(self.action, self._mask)

    @functools.cached_property
    def runner_shape(self) -> dict[str, Any]:
        return runner_shape(self.runner, self._mask)


class _Row:
    """One execution, and what was looked up for it."""

    def __init__(
        self, entry: Execution, kind: _Kind, mask: Mask, children: Sequence[str],
        log: Sequence[tuple[Any, str]], host: dict[str, Any] | None,
    ) -> None:  # fmt: skip
        self.entry = entry
        self.kind = kind
        self.children = list(children)
        self.log = [{"timestamp": moment, "status": status} for moment, status in log]
        self._host = host
        self._mask = mask

    @functools.cached_property
    def parameters(self) -> dict[str, Any]:
        return self._mask.parameters(self.kind.schema, self.entry.parameters)

    @functools.cached_property
    def context(self) -> dict[str, Any]:
        entry = self.entry
        trace = {**(entry.context.get("trace_context") or {}), "id_": entry.trace_id}
        context = {"user": entry.user, **entry.context, "trace_context": trace}
        context.pop(HIDDEN, None)
        if entry.parent_id and "parent" not in context:
            context["parent"] = {"execution_id": entry.parent_id}
        return dict(self._mask.value(context))

    @property
    def result(self) -> Any:
        return self._mask.result(self.kind.action, self.kind.runner, self.entry.result)

    @property
    def liveaction(self) -> dict[str, Any]:
        entry = self.entry
        return {
            "id": entry.id,
            "status": entry.status.value,
            "action": entry.action,
            "action_is_workflow": self.kind.runner.is_workflow,
            "parameters": self.parameters,
            "context": self.context,
            "callback": {},
            "runner_info": self._host or {},
            "notify": entry.notify,
            "start_timestamp": entry.start_timestamp or entry.created_at,
            "end_timestamp": entry.end_timestamp,
        }


#: What is made only when it is wanted: a list of states needs no parameter schemas.
_PARTS: dict[str, Callable[[_Row], Any]] = {
    "parameters": lambda row: row.parameters,
    "context": lambda row: row.context,
    "result": lambda row: row.result,
    "children": lambda row: row.children,
    "log": lambda row: row.log,
    "action": lambda row: row.kind.action_shape,
    "runner": lambda row: row.kind.runner_shape,
    "liveaction": lambda row: row.liveaction,
}


class ExecutionShapes:
    """Shapes executions within one transaction, asking the store once per page and not once per execution."""

    def __init__(self, tx: Tx | None, snapshot: Snapshot, fields: Fields, mask: Mask) -> None:
        """``tx`` is None for executions that were requested just now: the store has nothing more to tell of them."""
        self._tx = tx
        self._snapshot = snapshot
        self._fields = fields
        self._mask = mask
        self._parts = [(name, make) for name, make in _PARTS.items() if fields.wants(name)]
        self._wants_cause = any(map(fields.wants, _CAUSE))
        #: By action and runner: pages have many executions of few actions, and the next page of the same ones.
        self._kinds: dict[tuple[str, str], _Kind] = (
            {} if mask.shows else snapshot.derived.setdefault(_Kind, {})
        )
        #: Rules and trigger types, of which a page has few as well.
        self._causes: dict[tuple[str, str], dict[str, Any]] = {}

    def one(self, entry: Execution) -> dict[str, Any]:
        """One execution."""
        return self.many([entry])[0]

    def many(self, entries: Sequence[Execution]) -> list[dict[str, Any]]:
        """A page of executions, in order."""
        if self._tx is None:
            return [
                self._shape(entry, [], [(entry.created_at, Status.REQUESTED)], None, None)
                for entry in entries
            ]
        ids = [entry.id for entry in entries]
        wants = self._fields.wants
        children = history.children_ids(self._tx, ids) if wants("children") else {}
        logs = audit.status_log(self._tx, ids) if wants("log") else {}
        instances = self._instances(self._tx, entries)
        hosts = self._hosts(self._tx, entries) if wants("liveaction") else {}
        return [
            self._shape(
                entry, children.get(entry.id, []), logs.get(entry.id, []),
                instances.get(entry.trigger_instance_id or ""), hosts.get(entry.worker_id or ""),
            )
            for entry in entries
        ]  # fmt: skip

    def _instances(self, tx: Tx, entries: Sequence[Execution]) -> dict[str, TriggerInstance]:
        if not self._wants_cause:
            return {}
        ids = {entry.trigger_instance_id for entry in entries if entry.trigger_instance_id}
        return events.get_many(tx, ids) if ids else {}

    def _hosts(self, tx: Tx, entries: Sequence[Execution]) -> dict[str, dict[str, Any]]:
        if not any(entry.worker_id for entry in entries):
            return {}
        return {worker.id: {"hostname": worker.host, "pid": worker.pid} for worker in workers.find(tx)}

    def _shape(
        self,
        entry: Execution,
        children: Sequence[str],
        log: Sequence[tuple[Any, str]],
        instance: TriggerInstance | None,
        host: dict[str, Any] | None,
    ) -> dict[str, Any]:
        row = _Row(entry, self._kind(entry), self._mask, children, log, host)
        shape = plain_facts(entry) | {name: make(row) for name, make in self._parts}
        if self._wants_cause:
            shape |= self._cause(entry, instance)
        # Falsy attributes are left out (StackStorm's behaviour); its clients read the absence.
        return self._fields.choose({key: value for key, value in shape.items() if value or key == "id"})

    def _kind(self, entry: Execution) -> _Kind:
        key = (entry.action, entry.runner)
        kind = self._kinds.get(key)
        if kind is None:
            action = self._snapshot.actions.get(entry.action) or unregistered(entry)
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            kind = self._kinds[key] = _Kind(action, runner_of(entry), self._mask)
        return kind

    def _cause(self, entry: Execution, instance: TriggerInstance | None) -> dict[str, Any]:
        rule = self._snapshot.rules.get(entry.rule or "")
        cause: dict[str, Any] = {"rule": None if rule is None else self._once("rule", rule, rule_shape)}
        if instance is None:
            return cause
        cause["trigger_instance"] = instance_shape(instance)
        trigger_type = self._snapshot.trigger_types.get(rule.trigger.type if rule else instance.trigger)
        if trigger_type is not None:
            parameters = rule.trigger.parameters if rule else {}
            cause["trigger_type"] = self._once("trigger_type", trigger_type, trigger_type_shape)
            cause["trigger"] = {"ref": instance.trigger, "type": trigger_type.ref, "parameters": parameters}
        return cause

    def _once(self, kind: str, item: R, make: Callable[[R, Mask], dict[str, Any]]) -> dict[str, Any]:
        shape = self._causes.get((kind, item.ref))
        if shape is None:
            shape = self._causes[kind, item.ref] = make(item, self._mask)
        return shape


def plain_facts(entry: Execution) -> dict[str, Any]:
    """What an execution says of itself, without anything looked up: also the payload of live updates."""
    return {
        "id": entry.id,
        "status": entry.status.value,
        "start_timestamp": entry.start_timestamp or entry.created_at,
        "end_timestamp": entry.end_timestamp,
        "elapsed_seconds": entry.elapsed_seconds,
        "result_size": entry.result_size,
        "parent": entry.parent_id,
        "delay": max(0, int((entry.ready_at - entry.created_at).total_seconds() * 1000)),
        # st_ops' own.
        "created_at": entry.created_at,
        "root": entry.root_id,
        "reason": entry.reason,
        "run_key": entry.run_key,
        "trace_id": entry.trace_id,
        "task": None if entry.task is None else entry.task.model_dump(),
        "queue": entry.queue,
        "needs": entry.needs,
        "priority": entry.priority,
        "attempt": entry.attempt,
        "worker": entry.worker_id,
        "action_ref": entry.action,
        "rule_ref": entry.rule,
        "trigger_instance_id": entry.trigger_instance_id,
    }


def runner_of(entry: Execution) -> RunnerType:
    """The runner type of an execution; a bare one when there is none of its name any more."""
    return RUNNER_TYPES.get(entry.runner) or RunnerType(name=entry.runner)


def unregistered(entry: Execution) -> Action:
    """Stands in for an action that is registered no longer."""
    pack, _, name = entry.action.partition(".")
    return Action(pack=pack, name=name or pack, runner_type=entry.runner)


def instance_shape(instance: TriggerInstance) -> dict[str, Any]:
    """A trigger instance: StackStorm's five attributes and ours."""
    return {
        "id": instance.id,
        "trigger": instance.trigger,
        "payload": instance.payload,
        "occurrence_time": iso(instance.occurrence_time),
        "status": instance.status.value,
        "trace_id": instance.trace_id,
        "trace_tag": instance.trace_tag,
        "source": instance.source,
        "series": instance.series,
        "episode": instance.episode,
        "repeats": instance.repeats,
    }
