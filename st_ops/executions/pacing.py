"""Keeping rates when executions start: promised times are kept late when no worker was there, and then all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from st_ops.errors import InvalidInput
from st_ops.executions.limits import Limits
from st_ops.model.executions import Execution
from st_ops.model.identity import now
from st_ops.model.limits import Rate
from st_ops.packs.catalog import Snapshot
from st_ops.store import rates
from st_ops.store.database import Tx


def too_soon(
    tx: Tx, limits: Limits, snapshot: Snapshot, candidates: Sequence[Execution]
) -> Mapping[str, datetime]:
    """Of executions about to start, those whose action's rate is used up: id → not before when.

    The others are taken to start with this call. Those held back are spread over the periods that follow.
    """
    found: dict[str, datetime] = {}
    by_action: dict[str, list[str]] = {}
    for entry in candidates:
        by_action.setdefault(entry.action, []).append(entry.id)
    # In order, since each is locked.
    for action in sorted(by_action):
        rate = _rate(limits, snapshot, action)
        if rate is not None:
            ids = by_action[action]
            allowed, following = rates.start(tx, action, rate, now(), len(ids))
            for index, identifier in enumerate(ids[allowed:]):
                found[identifier] = following + timedelta(seconds=rate.seconds * (index // rate.count))
    return found


def _rate(limits: Limits, snapshot: Snapshot, action: str) -> Rate | None:
    try:
        return limits.of(snapshot, action).rate
    except InvalidInput:
        # Said when the pack was registered; it must not keep the others from starting.
        return None
