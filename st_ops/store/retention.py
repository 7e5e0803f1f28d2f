"""Forgetting what is old: for each kind, which rows to forget next, and forgetting them.

Finding only reads, and reads from an index; forgetting is one short transaction for a few rows. Whoever calls
decides how many at a time, so that nobody who writes is held up for long.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, bindparam, delete, or_, select, text

from st_ops.model.events import InstanceStatus
from st_ops.model.identity import first_id, now
from st_ops.store import hours
from st_ops.store.database import Tx
from st_ops.store.parts import in_parts
from st_ops.store.schema import (
    ROOT_OVER,
    artifact,
    audit,
    enforcement,
    event,
    execution,
    execution_result,
    key_value,
    output,
    rejected_event,
    slot,
    token,
    workflow_log,
)

#: What goes with an execution: table → the column that names it.
_PARTS = (
    (output, output.c.execution_id),
    (execution_result, execution_result.c.execution_id),
    (workflow_log, workflow_log.c.workflow_id),
    (slot, slot.c.execution_id),
    (artifact, artifact.c.execution_id),
)


def old_executions(tx: Tx, before: datetime, limit: int) -> list[str]:
    """Ids of executions to forget, each after all that it started: whole trees whose root ended before ``before``.

    ``limit`` roots at most; a tree in which something is not over yet is left alone.
    """
    after: tuple[datetime, str] | None = None
    while True:
        roots = _old_roots(tx, before, after, limit)
        found = [identifier for tree in _trees(tx, [root for _, root in roots]) for identifier in tree]
        if found or len(roots) < limit:
            return found
        # All of these trees are kept; the next ones may not be.
        after = roots[-1]


def _old_roots(
    tx: Tx, before: datetime, after: tuple[datetime, str] | None, limit: int
) -> list[tuple[datetime, str]]:
    key = (execution.c.end_timestamp, execution.c.id)
    query = select(*key).where(text(ROOT_OVER), execution.c.end_timestamp < before)
    if after is not None:
        ended, identifier = after
        later = or_(execution.c.end_timestamp > ended, execution.c.id > identifier)
        query = query.where(execution.c.end_timestamp >= ended, later)
    return [(moment, key_) for moment, key_ in tx.execute(query.order_by(*key).limit(limit))]


def _trees(tx: Tx, roots: Sequence[str]) -> Iterator[list[str]]:
    """The finished trees below ``roots``, leaves first."""
    trees = {root: [root] for root in roots}
    owner = {root: root for root in roots}
    level = list(roots)
    unfinished: set[str] = set()
    while level:
        below: list[str] = []
        for some in in_parts(level):
            query = select(execution.c.id, execution.c.parent_id, execution.c.end_timestamp)
            for identifier, parent, ended in tx.execute(query.where(execution.c.parent_id.in_(some))):
                root = owner[identifier] = owner[parent]
                trees[root].append(identifier)
                below.append(identifier)
                if ended is None:
                    unfinished.add(root)
        level = below
    for root, tree in trees.items():
        if root not in unfinished:
            yield tree[::-1]


def forget_executions(tx: Tx, ids: Sequence[str]) -> None:
    """Delete executions with their output, results, workflow logs, slots and artifacts' rows."""
    hours.take_off(tx, ids)
    for table, column in _PARTS:
        _delete(tx, table, column, ids)
    _delete(tx, execution, execution.c.id, ids)


def old_output(tx: Tx, before: datetime, limit: int) -> list[tuple[str, int]]:
    """(execution, seq) of pieces of output that were printed before ``before``, in order."""
    # Ids ascend with time, so that the primary key serves as an index by age.
    query = select(output.c.execution_id, output.c.seq).where(
        output.c.execution_id < first_id(before), output.c.timestamp < before
    )
    return [(key, seq) for key, seq in tx.execute(query.order_by(*output.primary_key).limit(limit))]


_FORGET_OUTPUT = delete(output).where(
    output.c.execution_id == bindparam("b_id"), output.c.seq <= bindparam("b_seq")
)


def forget_output(tx: Tx, pieces: Sequence[tuple[str, int]]) -> None:
    """Delete these pieces, and what was printed before them."""
    last = dict(pieces)
    tx.execute(_FORGET_OUTPUT, [{"b_id": key, "b_seq": seq} for key, seq in last.items()])


def old_events(tx: Tx, before: datetime, limit: int) -> list[str]:
    """Ids of matched events that were accepted before ``before``, oldest first."""
    query = select(event.c.id).where(
        event.c.id < first_id(before), event.c.status != InstanceStatus.PENDING.value
    )
    return list(tx.execute(query.order_by(event.c.id).limit(limit)).scalars())


def forget_events(tx: Tx, ids: Sequence[str]) -> None:
    """Delete events together with what the rules made of them."""
    _delete(tx, enforcement, enforcement.c.event_id, ids)
    _delete(tx, event, event.c.id, ids)


def old_rejected(tx: Tx, before: datetime, limit: int) -> list[str]:
    """Ids of what was rejected before ``before``, oldest first."""
    query = select(rejected_event.c.id).where(rejected_event.c.at < before)
    return list(tx.execute(query.order_by(rejected_event.c.at).limit(limit)).scalars())


def forget_rejected(tx: Tx, ids: Sequence[str]) -> None:
    """Delete rejected events."""
    _delete(tx, rejected_event, rejected_event.c.id, ids)


def old_audit(tx: Tx, before: datetime, limit: int) -> list[int]:
    """Numbers of audit entries written before ``before``, oldest first."""
    query = select(audit.c.seq).where(audit.c.at < before).order_by(audit.c.at).limit(limit)
    return list(tx.execute(query).scalars())


def forget_audit(tx: Tx, numbers: Sequence[int]) -> None:
    """Delete audit entries."""
    _delete(tx, audit, audit.c.seq, numbers)


def expired_keys(tx: Tx, before: datetime, limit: int) -> list[tuple[str, str]]:
    """(scope, name) of key-values that expired before ``before``, oldest first."""
    query = select(key_value.c.scope, key_value.c.name).where(
        text("expire_timestamp IS NOT NULL"), key_value.c.expire_timestamp < before
    )
    return [
        (scope, name) for scope, name in tx.execute(query.order_by(key_value.c.expire_timestamp).limit(limit))
    ]


_FORGET_KEY = delete(key_value).where(
    key_value.c.scope == bindparam("b_scope"),
    key_value.c.name == bindparam("b_name"),
    # It may have been set anew meanwhile.
    key_value.c.expire_timestamp < bindparam("b_now", type_=key_value.c.expire_timestamp.type),
)


def forget_keys(tx: Tx, names: Sequence[tuple[str, str]]) -> None:
    """Delete these key-values, but for those that were set anew."""
    moment = now()
    tx.execute(_FORGET_KEY, [{"b_scope": scope, "b_name": name, "b_now": moment} for scope, name in names])


def expired_tokens(tx: Tx, before: datetime, limit: int) -> list[str]:
    """Ids of tokens that expired before ``before``, oldest first."""
    query = select(token.c.id).where(text("expires_at IS NOT NULL"), token.c.expires_at < before)
    return list(tx.execute(query.order_by(token.c.expires_at).limit(limit)).scalars())


def forget_tokens(tx: Tx, ids: Sequence[str]) -> None:
    """Delete tokens."""
    _delete(tx, token, token.c.id, ids)


def _delete(tx: Tx, table: Table, column: Any, values: Collection[Any]) -> None:
    for some in in_parts(list(values)):
        tx.execute(delete(table).where(column.in_(some)))
