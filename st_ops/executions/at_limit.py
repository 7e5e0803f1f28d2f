"""What follows when an execution finds the limit of a concurrency key reached."""

from __future__ import annotations

from collections.abc import Sequence

from st_ops.model.limits import OnLimit, SlotLimit
from st_ops.model.status import Status
from st_ops.store import slots
from st_ops.store.database import Tx
from st_ops.store.executions import Move, cancel_moves


def when_full(tx: Tx, execution_id: str, limits: Sequence[SlotLimit]) -> list[Move]:
    """What follows for an execution that found a limit reached: nothing (it queues), its end, or others'."""
    moves: list[Move] = []
    for limit in limits:
        holders = slots.holders(tx, limit.key)
        if len(holders) < limit.limit or limit.on_limit is OnLimit.QUEUE:
            continue
        reason = f"{len(holders)} of {limit.limit} executions of '{limit.key}' are unfinished"
        if limit.on_limit is OnLimit.CANCEL_RUNNING:
            why = f"replaced by execution {execution_id} (concurrency '{limit.key}')"
            oldest = holders[: len(holders) - limit.limit + 1]
            moves += [move for holder in oldest for move in cancel_moves(holder, "concurrency", why)]
            continue
        status = Status.FAILED if limit.on_limit is OnLimit.FAIL else Status.CANCELED
        moves.append(Move(execution_id=execution_id, status=status, reason=reason, result={"error": reason}))
        break
    return moves
