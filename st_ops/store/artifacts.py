"""Artifacts in the store: what is known of each kept file; the content is elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from st_ops.errors import NotFound
from st_ops.model.artifacts import Artifact
from st_ops.model.executions import Execution
from st_ops.store import executions
from st_ops.store.database import Tx
from st_ops.store.schema import artifact, execution


def put(tx: Tx, entries: Sequence[Artifact]) -> list[str]:
    """Store artifacts; one of the same execution and name (of an earlier try) is replaced.

    Answers the locations of those that were replaced: nothing names these files any more.
    """
    replaced: list[str] = []
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    for entry in entries:
        same = (artifact.c.execution_id == entry.execution_id, artifact.c.name == entry.name)
        replaced += tx.execute(select(artifact.c.location).where(*same)).scalars()
        values = entry.model_dump()
        place = dialect.insert(artifact).values(values)
        tx.execute(place.on_conflict_do_update(index_elements=["execution_id", "name"], set_=values))
    return replaced


def find(tx: Tx, execution_id: str, name: str | None = None) -> list[Artifact]:
    """The artifacts of one execution, by name; only that of this ``name`` when it is given."""
    query = select(artifact).where(artifact.c.execution_id == execution_id)
    if name is not None:
        query = query.where(artifact.c.name == name)
    rows = tx.execute(query.order_by(artifact.c.name)).mappings()
    return [Artifact.model_validate(dict(row)) for row in rows]


def find_of_task(tx: Tx, execution_id: str, task: str, name: str | None = None) -> list[Artifact]:
    """The artifacts that the task named ``task`` left in the workflow of this execution, newest run first.

    ``execution_id`` is the workflow itself, or anything in it; of workflows within workflows the innermost
    that has such artifacts counts.
    """
    present: Execution | None = executions.get(tx, execution_id, result=False)
    while present is not None:
        found = _of_task(tx, present.id, task, name)
        if found or present.parent_id is None:
            return found
        present = executions.get(tx, present.parent_id, result=False)
    return []


def _of_task(tx: Tx, workflow_id: str, task: str, name: str | None) -> list[Artifact]:
    query = (
        select(artifact, execution.c.task)
        .join(execution, execution.c.id == artifact.c.execution_id)
        .where(execution.c.parent_id == workflow_id)
        .order_by(execution.c.created_at.desc(), execution.c.id.desc(), artifact.c.name)
    )
    if name is not None:
        query = query.where(artifact.c.name == name)
    return [
        Artifact.model_validate({key: row[key] for key in Artifact.model_fields})
        for row in tx.execute(query).mappings()
        if row["task"] is not None and row["task"]["name"] == task
    ]


def named(tx: Tx, execution_id: str, name: str, *, task: str = "") -> Artifact:
    """The artifact ``name`` of this execution, or of the latest run of ``task`` in its workflow. Raises NotFound."""
    found = find_of_task(tx, execution_id, task, name) if task else find(tx, execution_id, name)
    if found:
        return found[0]
    if not task:
        left = ", ".join(entry.name for entry in find(tx, execution_id)[:10]) or "none"
        raise NotFound("artifact", name, f"Execution {execution_id} has left: {left}.")
    left = ", ".join(entry.name for entry in find_of_task(tx, execution_id, task)[:10]) or "none"
    raise NotFound(
        "artifact", name, f"Task '{task}' of the workflow of execution {execution_id} has left: {left}."
    )


def locations(tx: Tx, execution_ids: Sequence[str]) -> list[str]:
    """Where the artifacts of these executions are."""
    query = select(artifact.c.location).where(artifact.c.execution_id.in_(list(execution_ids)))
    return list(tx.execute(query).scalars())


def old(tx: Tx, before: datetime, limit: int) -> list[tuple[str, str, str]]:
    """(execution, name, location) of artifacts that were kept before ``before``, oldest first."""
    query = select(artifact.c.execution_id, artifact.c.name, artifact.c.location)
    query = query.where(artifact.c.created_at < before).order_by(artifact.c.created_at).limit(limit)
    return [(identifier, name, location) for identifier, name, location in tx.execute(query)]


_FORGET = delete(artifact).where(
    artifact.c.execution_id == bindparam("b_id"),
    artifact.c.name == bindparam("b_name"),
    artifact.c.location == bindparam("b_location"),
)


def forget(tx: Tx, rows: Sequence[tuple[str, str, str]]) -> None:
    """Delete these (execution, name, location) rows."""
    tx.execute(
        _FORGET,
        [{"b_id": identifier, "b_name": name, "b_location": location} for identifier, name, location in rows],
    )
