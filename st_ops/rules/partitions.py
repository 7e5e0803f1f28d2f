"""Sharing the series among rules engines: each group of partitions is leased to one engine at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping

from st_ops.store import workers
from st_ops.store.database import Database, Tx
from st_ops.store.events import PARTITIONS

#: Groups of partitions that are leased as one. The same on every node.
GROUPS = 16


class Partitions:
    """The groups this engine holds, with their fencing tokens."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._held: dict[int, int] = {}

    def balance(self, owner: str) -> bool:
        """Extend what is held, take a fair share of what is free, let go of more; True when new groups were won."""
        with self._database.write() as tx:
            engines = max(1, len(workers.find(tx, "rules")))
            share = math.ceil(GROUPS / engines)
            before = set(self._held)
            held: dict[int, int] = {}
            # What is held first, so that groups move as little as possible.
            for group in sorted(range(GROUPS), key=lambda group: group not in before):
                if len(held) >= share:
                    break
                token = workers.take_lease(tx, _name(group), owner, self._lease_seconds)
                if token is not None:
                    held[group] = token
            for group in before - set(held):
                workers.release_lease(tx, _name(group), owner)
        self._held = held
        return bool(set(held) - before)

    def release(self, owner: str) -> None:
        """Let go of everything."""
        self._held = {}
        with self._database.write() as tx:
            workers.release_leases(tx, owner)

    def held(self) -> Mapping[int, int]:
        """Group → fencing token of those held now."""
        return self._held


def numbers_of(held: Mapping[int, int]) -> list[int] | None:
    """The partitions of these groups; None when that is all there are."""
    if len(held) == GROUPS:
        return None
    return [number for number in range(PARTITIONS) if number % GROUPS in held]


def still_held(tx: Tx, owner: str, held: Mapping[int, int]) -> bool:
    """True when every one of these groups is still ours, in this transaction and until its commit.

    Those of the beginning of the work count, not those held now: a group that was let go of meanwhile is another's.
    """
    return workers.holds_leases(tx, owner, {_name(group): token for group, token in held.items()})


def _name(group: int) -> str:
    return f"rules/{group}"
