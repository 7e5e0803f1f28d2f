"""Executions in the store: requested, claimed, moved, found.

``move`` is the one function that changes a status (guarantee 5). It checks the legal moves and the
fencing token, and writes the audit rows in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from st_ops.model.executions import Execution
from st_ops.model.identity import now
from st_ops.model.records import AuditEntry
from st_ops.model.status import RESOLUTIONS, Status, may_move
from st_ops.store import audit, registry
from st_ops.store.bulk import BulkInsert
from st_ops.store.database import Tx
from st_ops.store.execution_rows import (
    LIGHT,
    WHOLE,
    place_result,
    read,
    read_with_version,
    row_of,
    with_result,
)
from st_ops.store.parts import in_parts
from st_ops.store.schema import execution

# Building a statement and finding out that it is compiled already costs several times what running it does, so
# those of every run are built once.
_ID, _IDS = execution.c.id == bindparam("id"), execution.c.id.in_(bindparam("ids", expanding=True))
_INSERT = BulkInsert(execution)
_INSERT_ONE = audit.Noted(
    insert(execution).values(
        {column.name: bindparam(column.name, type_=column.type) for column in execution.c}
    ),
    registry.VERSION,
)
_GET = {True: select(*WHOLE).where(_ID), False: select(*LIGHT).where(_ID)}
_GET_MANY = {True: select(*WHOLE).where(_IDS), False: select(*LIGHT).where(_IDS)}
_LOCK = select(*LIGHT, registry.VERSION).where(_IDS).order_by(execution.c.id).with_for_update()


class Unset:
    """The type of ``UNSET``: this move brings no result."""


UNSET = Unset()


@dataclass(frozen=True, kw_only=True)
class Move:
    """One wish to change a status. ``token`` is the worker's fencing token; None for people and engines."""

    execution_id: str
    status: Status
    actor: str = "system"
    reason: str = ""
    token: int | None = None
    #: False: who moves it knows that it has no slots (``Execution.limited``).
    limited: bool = True
    result: Any = UNSET
    worker_id: str | None = None
    ready_at: datetime | None = None
    #: This is a further try that a retry policy asked for.
    retry: bool = False
    #: No retry policy may turn this end into another try.
    final: bool = False
    #: Its outcome is unknown and a probe is asked: no report of the lost run counts any more.
    probe: bool = False
    #: A person says how it ended (RESOLUTIONS).
    resolves: bool = False
    #: Only from these; empty = from wherever the legal moves allow.
    only_from: frozenset[Status] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What became of a Move: ``execution`` as it stood before, and why it was refused ("" = it was done)."""

    move: Move
    execution: Execution | None
    refused: str = ""
    at: datetime = field(default_factory=now)


def cancel_moves(execution_id: str, actor: str, reason: str) -> list[Move]:
    """The moves that cancel an execution: of the two, the one that is legal where it stands."""
    waiting = frozenset({Status.REQUESTED, Status.SCHEDULED, Status.DELAYED})
    return [
        Move(
            execution_id=execution_id, status=Status.CANCELED, actor=actor, reason=reason, only_from=waiting
        ),
        Move(execution_id=execution_id, status=Status.CANCELING, actor=actor, reason=reason),
    ]


def insert_new(tx: Tx, entries: Sequence[Execution], *, actor: str = "system") -> list[Execution]:
    """Store requested executions with their audit rows; answers the executions that stand for them.

    One whose run key (per action) or task key (per workflow) exists already is not stored again: the
    existing one is answered in its place.
    """
    plain = [entry for entry in entries if entry.run_key is None and entry.task is None]
    if len(plain) == len(entries) == 1:
        note = audit_entry(plain[0], Status.REQUESTED, actor, plain[0].reason)
        registry.version_read(tx, _INSERT_ONE(tx, row_of(plain[0]), note))
        return plain
    for some in in_parts(plain):
        _INSERT(tx, [row_of(entry) for entry in some])
    answers = {entry.id: entry for entry in plain}
    stored = list(plain)
    for entry in entries:
        if entry.id in answers:
            continue
        answers[entry.id] = found = _insert_keyed(tx, entry)
        if found.id == entry.id:
            stored.append(entry)
    for some in in_parts(stored):
        audit.record(tx, [audit_entry(entry, Status.REQUESTED, actor, entry.reason) for entry in some])
    return [answers[entry.id] for entry in entries]


_INSERT_KEYED = {
    dialect: made.on_conflict_do_nothing().returning(execution.c.id)
    for dialect, made in (("sqlite", sqlite.insert(execution)), ("postgresql", postgresql.insert(execution)))
}


def _insert_keyed(tx: Tx, entry: Execution) -> Execution:
    if tx.execute(_INSERT_KEYED[tx.dialect.name], row_of(entry)).first() is not None:
        return entry
    same = select(*WHOLE).where(execution.c.action == entry.action, execution.c.run_key == entry.run_key)
    if entry.task is not None:
        same = select(*WHOLE).where(
            execution.c.parent_id == entry.parent_id, execution.c.task_key == entry.task.key
        )
    return read(tx, same)[0]


def audit_entry(
    entry: Execution, status: Status, actor: str, reason: str, detail: dict[str, Any] | None = None
) -> AuditEntry:
    """The audit row of a status that an execution takes."""
    facts: dict[str, Any] = {"attempt": entry.attempt} if entry.attempt > 1 else {}
    if entry.task is not None:
        facts["task"] = entry.task.name
    return AuditEntry(
        actor=actor, verb=status.value, kind="execution", ref=entry.action, subject_id=entry.id,
        trace_id=entry.trace_id or entry.id, reason=reason, detail={**facts, **(detail or {})},
    )  # fmt: skip


def _as_wished(wish: Move, current: Execution) -> Move:
    return wish


def move(
    tx: Tx, moves: Sequence[Move], rewrite: Callable[[Move, Execution], Move] = _as_wished
) -> list[Moved]:
    """Change statuses along the legal moves, with their audit rows; answers what became of each, in order.

    ``rewrite`` may turn a move that would be made into another one: an end into a further try.
    A move is refused, and the refusal of a worker's report is itself audited, when its token is not the
    present one, when the status is not in ``only_from``, or when no legal move leads there.
    """
    wanted = sorted({entry.execution_id for entry in moves})
    present = {entry.id: entry for entry in read_with_version(tx, _LOCK, {"ids": wanted})} if wanted else {}
    answers, updates, entries = [], [], []
    for wish in moves:
        current = present.get(wish.execution_id)
        refused = _refusal(wish, current)
        if current is not None and not refused:
            wish = rewrite(wish, current)
            refused = _refusal(wish, current)
        answers.append(Moved(move=wish, execution=current, refused=refused))
        if current is None:
            continue
        if refused:
            if wish.token is not None:
                detail = {"token": wish.token, "current_token": current.token}
                refusal = audit_entry(current, wish.status, wish.actor, refused, detail)
                entries.append(refusal.model_copy(update={"verb": "refused"}))
            continue
        changes = _changes(tx, wish, current)
        updates.append({"b_id": current.id, **{f"b_{key}": value for key, value in changes.items()}})
        entries.append(
            audit_entry(current, wish.status, wish.actor, wish.reason, {"from": current.status.value})
        )
        present[current.id] = current.model_copy(update={**changes, "status": wish.status})
    if len(updates) == len(entries) == 1:
        _MOVE_ONE(tx, updates[0], entries[0])
        return answers
    if updates:
        tx.execute(_MOVE, updates)
    audit.record(tx, entries)
    return answers


_MOVED_COLUMNS = (
    "status", "reason", "retries", "token", "worker_id", "start_timestamp", "end_timestamp",
    "ready_at", "result", "result_size",
)  # fmt: skip
_MOVE = (
    update(execution)
    .where(execution.c.id == bindparam("b_id"))
    .values({name: bindparam(f"b_{name}", type_=execution.c[name].type) for name in _MOVED_COLUMNS})
)


_MOVE_ONE = audit.Noted(_MOVE)


def _refusal(wish: Move, current: Execution | None) -> str:
    if current is None:
        return f"There is no execution {wish.execution_id}."
    if wish.token is not None and wish.token != current.token:
        return f"Token {wish.token} is no longer valid; the present one is {current.token}."
    if wish.only_from and current.status not in wish.only_from:
        return f"Execution {current.id} is {current.status}, not {' or '.join(sorted(wish.only_from))}."
    legal = may_move(current.status, wish.status)
    if wish.resolves:
        legal = wish.status in RESOLUTIONS.get(current.status, ())
    if not legal:
        return f"Execution {current.id} is {current.status}; it cannot become {wish.status}."
    return ""


def _changes(tx: Tx, wish: Move, current: Execution) -> dict[str, Any]:
    """Every moved column's new value."""
    changes: dict[str, Any] = {
        "status": wish.status.value,
        "reason": wish.reason,
        "retries": current.retries + wish.retry,
        "token": current.token,
        "worker_id": wish.worker_id or current.worker_id,
        "start_timestamp": current.start_timestamp,
        "end_timestamp": None,
        "ready_at": wish.ready_at or current.ready_at,
        "result": None,
        "result_size": 0,
    }
    if wish.status.terminal:
        changes["end_timestamp"] = now()
    if wish.status in (Status.REQUESTED, Status.DELAYED):
        # Whoever held it before holds it no longer.
        changes.update(worker_id=None, start_timestamp=None, token=current.token + 1)
    if wish.status is Status.RUNNING and current.start_timestamp is None:
        changes["start_timestamp"] = now()
    if wish.status is Status.PENDING:
        # It waits for a person, not for a process: no worker's death concerns it.
        changes["worker_id"] = None
    if wish.status is Status.ABANDONED or wish.probe:
        changes["token"] = current.token + 1
    if not isinstance(wish.result, Unset):
        changes["result"], changes["result_size"] = place_result(tx, wish.execution_id, wish.result)
    return changes


def make_ready(tx: Tx, ids: Sequence[str]) -> None:
    """These got their slots in the transaction that requested them: they never waited."""
    if ids:
        values = {"waits_for_slot": False, "status": Status.REQUESTED.value, "reason": ""}
        tx.execute(update(execution).where(execution.c.id.in_(ids)).values(values))


def end_waiting(tx: Tx, ids: Sequence[str]) -> None:
    """These have their slots now; the caller moves them."""
    if ids:
        tx.execute(update(execution).where(execution.c.id.in_(ids)).values(waits_for_slot=False))


def set_context(tx: Tx, identifier: str, context: dict[str, Any]) -> None:
    """Replace what goes with an execution beside its status."""
    tx.execute(update(execution).where(execution.c.id == identifier).values(context=context))


def get(tx: Tx, identifier: str, *, result: bool = True) -> Execution | None:
    """One execution by id, with its result unless told otherwise."""
    found = read(tx, _GET[result], {"id": identifier})
    if not found:
        return None
    return with_result(tx, found[0]) if result else found[0]


def get_many(tx: Tx, identifiers: Collection[str], *, result: bool = False) -> dict[str, Execution]:
    """Executions by id; absent ones are left out."""
    if not identifiers:
        return {}
    found = {entry.id: entry for entry in read(tx, _GET_MANY[result], {"ids": list(identifiers)})}
    return {key: with_result(tx, entry) for key, entry in found.items()} if result else found
