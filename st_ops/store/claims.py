"""Claims: which ready executions a worker gets, so that no two get the same one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import bindparam, exists, select, text, update

from st_ops.model.executions import Execution
from st_ops.model.identity import now
from st_ops.model.status import Status
from st_ops.store import audit, registry
from st_ops.store.database import Tx
from st_ops.store.execution_rows import WHOLE, read_with_version
from st_ops.store.executions import Move, audit_entry, move
from st_ops.store.schema import READY, execution, worker

#: Why an execution waits whose action may not start more often.
RATE_REASON = "rate limit"

#: Answers, of executions about to be claimed, those that may not start yet: id → not before when.
Hold = Callable[[Sequence[Execution]], Mapping[str, datetime]]


def _hold_none(_candidates: Sequence[Execution]) -> Mapping[str, datetime]:
    return {}


def claim(
    tx: Tx, worker_id: str, queues: Collection[str], labels: Collection[str], limit: int, *, actor: str = "",
    hold: Hold = _hold_none, slotless: Collection[str] = (), registered: bool = False,
) -> list[Execution]:  # fmt: skip
    """Take up to ``limit`` ready executions for this worker: they are running, under its lease and a new token.

    Order: priority, then readiness, then age. Two workers never get the same one. What ``hold`` names is not
    claimed, but delayed until the moment it says. ``slotless`` are the runners whose executions take up nothing
    of the limit: when all that was claimed is theirs, some more of what is next and theirs is claimed too.
    With ``registered`` nothing is claimed for a worker that is not one of the living, and until the commit nobody can
    declare it lost.
    """
    take = partial(_take, tx, worker_id, actor or f"worker {worker_id}")
    claimed: list[Execution] = []
    while len(claimed) < limit:
        candidates = _ready(tx, queues, set(labels), limit - len(claimed), worker_id if registered else "")
        taken, held = _taken(tx, candidates, take, hold)
        claimed += taken
        if not held:
            break
    if slotless and len(claimed) == limit and all(entry.runner in slotless for entry in claimed):
        wanted = {"queues": list(queues), "now": now(), "slotless": list(slotless)}
        claimed += _taken(tx, read_with_version(tx, _CLAIM_SLOTLESS, wanted), take, hold)[0]
    return claimed


_READY_IN = (
    text(READY), execution.c.queue.in_(bindparam("queues", expanding=True)),
    execution.c.ready_at <= bindparam("now", type_=execution.c.ready_at.type),
)  # fmt: skip
_ANY_READY = select(execution.c.id).where(*_READY_IN).limit(1)
_CLAIM = (
    select(*WHOLE, registry.VERSION)
    .where(*_READY_IN)
    .order_by(execution.c.priority.desc(), execution.c.ready_at, execution.c.id)
    .limit(bindparam("most"))
    .with_for_update(of=execution, skip_locked=True)
)
_PLAIN = execution.c.needs == []
# One statement for both, which counts when a single run is waited for.
_IS_REGISTERED = exists(
    select(worker.c.id).where(worker.c.id == bindparam("worker")).with_for_update(read=True, key_share=True)
)
_CLAIMS = {
    (plain, registered): _CLAIM.where(*[_PLAIN] * plain, *[_IS_REGISTERED] * registered)
    for plain in (False, True)
    for registered in (False, True)
}
#: How many of those next in line are looked at for more that needs no slot.
_WINDOW = 48
_NEXT = (
    select(execution.c.id, execution.c.runner)
    .where(*_READY_IN)
    .order_by(execution.c.priority.desc(), execution.c.ready_at, execution.c.id)
    .limit(_WINDOW)
    .subquery()
)
# Only what will be claimed is locked: other workers pass over what is locked, and would not look again.
_CLAIM_SLOTLESS = (
    select(*WHOLE, registry.VERSION)
    .where(
        text(READY),
        _PLAIN,
        execution.c.id.in_(
            select(_NEXT.c.id).where(_NEXT.c.runner.in_(bindparam("slotless", expanding=True)))
        ),
    )
    .order_by(execution.c.priority.desc(), execution.c.ready_at, execution.c.id)
    .with_for_update(skip_locked=True)
)
_TAKE = (
    update(execution)
    .where(execution.c.id.in_(bindparam("ids", expanding=True)))
    .values(
        status=Status.RUNNING.value,
        worker_id=bindparam("worker"),
        start_timestamp=bindparam("now", type_=execution.c.start_timestamp.type),
        reason="",
        token=execution.c.token + 1,
        attempt=execution.c.attempt + 1,
    )
)


_TAKE_ONE = audit.Noted(_TAKE)


def any_ready(tx: Tx, queues: Collection[str]) -> bool:
    """True when something in these queues may be claimed now, by a worker that has what it needs."""
    return tx.execute(_ANY_READY, {"queues": list(queues), "now": now()}).first() is not None


def _ready(tx: Tx, queues: Collection[str], labels: set[str], limit: int, registered: str) -> list[Execution]:
    """The next that a worker with these labels may claim, locked; with ``registered`` only while it is that."""
    query = _CLAIMS[not labels, bool(registered)]
    wanted = {
        "queues": list(queues),
        "now": now(),
        "most": limit,
        **({"worker": registered} if registered else {}),
    }
    while True:
        found = read_with_version(tx, query, wanted)
        unfit = {tuple(entry.needs) for entry in found if not labels.issuperset(entry.needs)}
        if not unfit:
            return found
        # However many wait for other workers, they do not hide those that fit this one.
        query = query.where(*(execution.c.needs != list(needs) for needs in unfit))


def _postpone(tx: Tx, entries: Sequence[Execution], until: Mapping[str, datetime]) -> None:
    """These start no sooner than said: their action's rate is used up."""
    waiting = [entry for entry in entries if entry.status is not Status.DELAYED]
    move(tx, [
        Move(execution_id=entry.id, status=Status.DELAYED, reason=RATE_REASON, ready_at=until[entry.id])
        for entry in waiting
    ])  # fmt: skip
    for entry in entries:
        if entry.status is Status.DELAYED:
            values = {"ready_at": until[entry.id], "reason": RATE_REASON}
            tx.execute(update(execution).where(execution.c.id == entry.id).values(values))


def _taken(
    tx: Tx,
    candidates: Sequence[Execution],
    take: Callable[[Sequence[Execution]], list[Execution]],
    hold: Hold,
) -> tuple[list[Execution], Mapping[str, datetime]]:
    """Those of the candidates that may start, running; and what was held back."""
    held = hold(candidates) if candidates else {}
    _postpone(tx, [entry for entry in candidates if entry.id in held], held)
    return take([entry for entry in candidates if entry.id not in held]), held


def _take(tx: Tx, worker_id: str, actor: str, entries: Sequence[Execution]) -> list[Execution]:
    """These, running."""
    if not entries:
        return []
    moment = now()
    common = {"status": Status.RUNNING, "worker_id": worker_id, "start_timestamp": moment, "reason": ""}
    taken = [
        entry.model_copy(update={**common, "token": entry.token + 1, "attempt": entry.attempt + 1})
        for entry in entries
    ]
    values = {"ids": [entry.id for entry in entries], "worker": worker_id, "now": moment}
    notes = [audit_entry(entry, Status.RUNNING, actor, "", {"token": entry.token}) for entry in taken]
    if len(notes) == 1:
        _TAKE_ONE(tx, values, notes[0])
    else:
        tx.execute(_TAKE, values)
        audit.record(tx, notes)
    return taken
