"""The registry as every stage reads it: a snapshot, built anew only when the registry's version grew."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from st_ops.errors import NotFound
from st_ops.model.events import trigger_ref_for
from st_ops.model.requirements import parse_require
from st_ops.model.resources import Action, Pack, Policy, Rule, SensorType, TriggerType
from st_ops.store import registry
from st_ops.store.database import Database, Tx, once


@dataclass(frozen=True)
class Snapshot:
    """Everything registered at one version, by ref."""

    version: int
    packs: Mapping[str, Pack]
    actions: Mapping[str, Action]
    trigger_types: Mapping[str, TriggerType]
    sensors: Mapping[str, SensorType]
    rules: Mapping[str, Rule]
    policies: Mapping[str, Policy]
    #: Ref of every trigger that some rule makes of a trigger type (the type itself, or with parameters) → that type.
    trigger_types_of: Mapping[str, str] = field(default_factory=dict)
    #: Refs of the trigger types that some enabled rule listens to.
    listened: frozenset[str] = frozenset()
    #: Refs of the actions whose success some action requires.
    required: frozenset[str] = frozenset()
    #: What others make of it and keep as long as it holds, under keys of their own.
    derived: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def knows_trigger(self, ref: str) -> bool:
        """True when ``ref`` names a trigger type, or a trigger that some rule made of one."""
        return ref in self.trigger_types or ref in self.trigger_types_of

    def type_of(self, ref: str) -> TriggerType | None:
        """The trigger type that ``ref`` names or is a trigger of; None when there is none."""
        return self.trigger_types.get(ref) or self.trigger_types.get(self.trigger_types_of.get(ref, ""))

    def action(self, ref: str) -> Action:
        """One action. Raises NotFound."""
        found = self.actions.get(ref)
        if found is None:
            raise NotFound("action", ref, "'st-ops action list' shows what there is.")
        return found


class Catalog:
    """Hands out the present snapshot; one version query a call, a full read only after a change."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._snapshot = Snapshot(-1, {}, {}, {}, {}, {}, {})

    def cached(self) -> Snapshot:
        """The snapshot read last, without asking the store; at most one sweep interval old."""
        return self._snapshot

    def current(self, tx: Tx | None = None) -> Snapshot:
        """The snapshot of the registry as this transaction (or a new one) sees it when it first asks."""
        if tx is None:
            with self._database.read() as own:
                return self.current(own)
        return once(tx, "st_ops_catalog", self._as_seen_by)

    def _as_seen_by(self, tx: Tx) -> Snapshot:
        version = registry.version(tx)
        if version != self._snapshot.version:
            with self._lock:
                if version != self._snapshot.version:
                    self._snapshot = _read(tx, version)
        return self._snapshot


def _read(tx: Tx, version: int) -> Snapshot:
    rules = {entry.ref: entry for entry in registry.rules(tx)}
    actions = {entry.ref: entry for entry in registry.actions(tx)}
    return Snapshot(
        version=version,
        packs={entry.ref: entry for entry in registry.packs(tx)},
        actions=actions,
        trigger_types={entry.ref: entry for entry in registry.trigger_types(tx)},
        sensors={entry.ref: entry for entry in registry.sensors(tx)},
        rules=rules,
        policies={entry.ref: entry for entry in registry.policies(tx)},
        trigger_types_of={
            trigger_ref_for(entry.trigger.type, entry.trigger.parameters): entry.trigger.type
            for entry in rules.values()
        },
        listened=frozenset(entry.trigger.type for entry in rules.values() if entry.enabled),
        required=frozenset(
            wanted.action
            for entry in actions.values()
            if entry.require
            for wanted in parse_require(entry.require)
        ),
    )
