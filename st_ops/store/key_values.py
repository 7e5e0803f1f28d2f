"""The datastore. Values arrive here already sealed when they are secret."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from st_ops.model.identity import new_id, now
from st_ops.model.records import KeyValue
from st_ops.store.database import Tx
from st_ops.store.schema import key_value


def _living() -> ColumnElement[bool]:
    return or_(key_value.c.expire_timestamp.is_(None), key_value.c.expire_timestamp > now())


def get(tx: Tx, name: str, scope: str = "st2kv.system") -> KeyValue | None:
    """One entry; an expired one is as good as absent."""
    query = select(key_value).where(key_value.c.name == name, key_value.c.scope == scope, _living())
    row = tx.execute(query).mappings().first()
    return None if row is None else _key_value(dict(row))


def find(
    tx: Tx,
    *,
    prefix: str = "",
    scope: str | None = None,
    user: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[KeyValue]:
    """Entries whose name starts with ``prefix``, by scope and name."""
    query = (
        select(key_value)
        .where(_living())
        .order_by(key_value.c.scope, key_value.c.name)
        .limit(limit)
        .offset(offset)
    )
    if prefix:
        query = query.where(key_value.c.name.startswith(prefix, autoescape=True))
    if scope is not None:
        query = query.where(key_value.c.scope == scope)
    if user is not None:
        query = query.where(key_value.c.user == user)
    return [_key_value(dict(row)) for row in tx.execute(query).mappings()]


def put(tx: Tx, entries: Sequence[KeyValue]) -> None:
    """Store or replace entries."""
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    for entry in entries:
        values = {**entry.model_dump(), "updated_at": now()}
        kept = {key: value for key, value in values.items() if key not in ("scope", "name")}
        place = dialect.insert(key_value).values(id=new_id(), **values)
        tx.execute(place.on_conflict_do_update(index_elements=["scope", "name"], set_=kept))


def remove(tx: Tx, name: str, scope: str = "st2kv.system") -> bool:
    """Remove one entry; False when there was none."""
    done = tx.execute(
        delete(key_value).where(key_value.c.name == name, key_value.c.scope == scope, _living())
    )
    return done.rowcount > 0


def _key_value(row: dict[str, object]) -> KeyValue:
    return KeyValue.model_validate({key: row[key] for key in KeyValue.model_fields})
