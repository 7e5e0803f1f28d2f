"""The registry as every stage reads it: a snapshot, built anew only when the registry's version grew."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from st_ops.errors import NotFound
from st_ops.model.resources import Action, Pack, Policy, Rule, SensorType, TriggerType
from st_ops.store import registry
from st_ops.store.database import Database, Tx


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

    def current(self, tx: Tx | None = None) -> Snapshot:
        """The snapshot of the registry as this transaction (or a new one) sees it."""
        if tx is None:
            with self._database.read() as own:
                return self.current(own)
        version = registry.version(tx)
        if version != self._snapshot.version:
            with self._lock:
                if version != self._snapshot.version:
                    self._snapshot = _read(tx, version)
        return self._snapshot


def _read(tx: Tx, version: int) -> Snapshot:
    return Snapshot(
        version=version,
        packs={entry.ref: entry for entry in registry.packs(tx)},
        actions={entry.ref: entry for entry in registry.actions(tx)},
        trigger_types={entry.ref: entry for entry in registry.trigger_types(tx)},
        sensors={entry.ref: entry for entry in registry.sensors(tx)},
        rules={entry.ref: entry for entry in registry.rules(tx)},
        policies={entry.ref: entry for entry in registry.policies(tx)},
    )
