"""Packs and what they contribute, as registered. Engines cache it and compare ``version``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from st_ops.errors import NotFound
from st_ops.model.identity import new_id, now
from st_ops.model.resources import KINDS, Action, Alias, Pack, Policy, Resource, Rule, SensorType, TriggerType
from st_ops.store.database import Tx
from st_ops.store.schema import counter, pack, resource

_VERSION = "registry"
R = TypeVar("R", bound=Resource)
_KIND_OF: dict[type[Resource], str] = {cls: kind for kind, cls in KINDS.items()}


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One registered resource: the object, its database id, its digest and where it came from (pack or api)."""

    id: str
    kind: str
    item: Resource
    digest: str
    source: str


_READ_VERSION = select(counter.c.value).where(counter.c.name == _VERSION)

#: The version as a column of another statement, which is worth a round trip; hand what it gives to ``version_read``.
VERSION = _READ_VERSION.scalar_subquery().label("registry_version")
_READ = "st_ops_registry_version"


def version(tx: Tx) -> int:
    """Grows by one with every change of the registry."""
    read: int | None = tx.get_execution_options().get(_READ)
    return read if read is not None else tx.execute(_READ_VERSION).scalar_one_or_none() or 0


def version_read(tx: Tx, found: int | None) -> None:
    """A statement of this transaction had ``VERSION`` among its columns: it need not be read again."""
    tx.execution_options(**{_READ: found or 0})


def lock(tx: Tx) -> None:
    """Let one at a time register packs, until the transaction ends. SQLite has one writer anyway."""
    if tx.dialect.name == "postgresql":
        tx.execute(text("SELECT pg_advisory_xact_lock(hashtext('st_ops registry'))"))


def _bump(tx: Tx) -> None:
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    place = dialect.insert(counter).values(name=_VERSION, value=1)
    tx.execute(place.on_conflict_do_update(index_elements=["name"], set_={"value": counter.c.value + 1}))
    tx.execution_options(**{_READ: None})


def digests(tx: Tx, pack_ref: str) -> dict[tuple[str, str], str]:
    """(kind, ref) → digest of what the pack's files registered."""
    query = select(resource.c.kind, resource.c.ref, resource.c.digest)
    rows = tx.execute(query.where(resource.c.pack == pack_ref, resource.c.source == "pack"))
    return {(kind, ref): digest for kind, ref, digest in rows}


def put_pack(tx: Tx, entry: Pack, digest: str, problems: Sequence[dict[str, Any]]) -> None:
    """Store or replace a pack's own row."""
    values = {"data": entry.model_dump(), "digest": digest, "problems": list(problems), "updated_at": now()}
    done = tx.execute(update(pack).where(pack.c.ref == entry.ref).values(**values))
    if done.rowcount == 0:
        tx.execute(insert(pack), [{"ref": entry.ref, "id": new_id(), **values}])
    _bump(tx)


def put(tx: Tx, entries: Sequence[tuple[Resource, str]], *, source: str = "pack") -> None:
    """Store or replace resources, each with its digest. A person's choice of enabled stays as it is."""
    if not entries:
        return
    moment = now()
    rows = [
        {
            "kind": _KIND_OF[type(entry)], "ref": entry.ref, "id": new_id(), "pack": entry.pack,
            "data": entry.model_dump(), "digest": digest, "enabled": None, "source": source, "updated_at": moment,
        }
        for entry, digest in entries
    ]  # fmt: skip
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    place = dialect.insert(resource)
    kept = {name: place.excluded[name] for name in ("pack", "data", "digest", "source", "updated_at")}
    tx.execute(place.on_conflict_do_update(index_elements=["kind", "ref"], set_=kept), rows)
    _bump(tx)


def remove(tx: Tx, kind: str, refs: Collection[str]) -> int:
    """Remove resources; answers how many there were."""
    if not refs:
        return 0
    count = tx.execute(
        delete(resource).where(resource.c.kind == kind, resource.c.ref.in_(list(refs)))
    ).rowcount
    if count:
        _bump(tx)
    return count


def remove_pack(tx: Tx, ref: str) -> None:
    """Remove a pack and everything its files registered."""
    tx.execute(delete(resource).where(resource.c.pack == ref, resource.c.source == "pack"))
    tx.execute(delete(pack).where(pack.c.ref == ref))
    _bump(tx)


def set_enabled(tx: Tx, kind: str, ref: str, enabled: bool) -> None:
    """Record a person's choice; it survives reloads of the pack. Raises NotFound."""
    done = tx.execute(
        update(resource).where(resource.c.kind == kind, resource.c.ref == ref).values(enabled=enabled)
    )
    if done.rowcount == 0:
        raise NotFound(kind.replace("_", " "), ref)
    _bump(tx)


def packs(tx: Tx) -> list[Pack]:
    """Every registered pack by ref."""
    return [
        Pack.model_validate(data) for data in tx.execute(select(pack.c.data).order_by(pack.c.ref)).scalars()
    ]


def pack_row(tx: Tx, ref: str) -> dict[str, Any] | None:
    """``{id, pack: Pack, digest, problems, updated_at}`` of one pack."""
    row = tx.execute(select(pack).where(pack.c.ref == ref)).mappings().first()
    if row is None:
        return None
    return {
        **{key: row[key] for key in ("id", "digest", "problems", "updated_at")},
        "pack": Pack.model_validate(row["data"]),
    }


def get(tx: Tx, kind: str, ref_or_id: str) -> Registered | None:
    """One resource by ref or database id."""
    same = resource.c.ref == ref_or_id if "." in ref_or_id else resource.c.id == ref_or_id
    row = tx.execute(select(resource).where(resource.c.kind == kind, same)).mappings().first()
    return None if row is None else _registered(row)


def find(
    tx: Tx, kind: str, *, pack_ref: str | None = None, limit: int | None = None, offset: int = 0
) -> list[Registered]:
    """Resources of one kind by ref."""
    query = (
        select(resource).where(resource.c.kind == kind).order_by(resource.c.ref).limit(limit).offset(offset)
    )
    if pack_ref is not None:
        query = query.where(resource.c.pack == pack_ref)
    return [_registered(row) for row in tx.execute(query).mappings()]


def _registered(row: Any) -> Registered:
    data = dict(row["data"])
    if row["enabled"] is not None:
        data["enabled"] = row["enabled"]
    item = KINDS[row["kind"]].model_validate(data)
    return Registered(id=row["id"], kind=row["kind"], item=item, digest=row["digest"], source=row["source"])


def _all(tx: Tx, cls: type[R]) -> list[R]:
    found = [entry.item for entry in find(tx, _KIND_OF[cls])]
    return [item for item in found if isinstance(item, cls)]


def actions(tx: Tx) -> list[Action]:
    """Every action."""
    return _all(tx, Action)


def rules(tx: Tx) -> list[Rule]:
    """Every rule."""
    return _all(tx, Rule)


def trigger_types(tx: Tx) -> list[TriggerType]:
    """Every trigger type."""
    return _all(tx, TriggerType)


def sensors(tx: Tx) -> list[SensorType]:
    """Every sensor type."""
    return _all(tx, SensorType)


def policies(tx: Tx) -> list[Policy]:
    """Every policy."""
    return _all(tx, Policy)


def aliases(tx: Tx) -> list[Alias]:
    """Every alias."""
    return _all(tx, Alias)


def action(tx: Tx, ref: str) -> Action:
    """One action by ref. Raises NotFound."""
    found = get(tx, "action", ref)
    if found is None or not isinstance(found.item, Action):
        raise NotFound("action", ref, "'st-ops action list' shows what there is.")
    return found.item
