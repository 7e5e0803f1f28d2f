"""Changes of the registry that people make through the API: switched on and off, made, replaced, removed.

What a pack's file describes is changed in that file; only ``enabled`` may be set beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from st_ops.api.answers import encode
from st_ops.api.registered import RegisteredCache
from st_ops.api.services import ApiServices
from st_ops.errors import Conflict, InvalidInput
from st_ops.model.bells import Bell, Topic
from st_ops.model.records import AuditEntry
from st_ops.model.resources import Resource
from st_ops.packs.kinds.common import Scope
from st_ops.packs.problems import Faulty, dotted
from st_ops.store import audit, registry
from st_ops.store.database import Tx
from st_ops.store.registry import Registered

#: Makes resources of one kind from metadata (see ``st_ops.packs.kinds``).
Builder = Callable[[Any, Scope], list[Any]]

#: Attributes of an answer that are computed: a client that sends back what it got sends these as well.
_COMPUTED = ("id", "uid", "ref", "pack", "metadata_file")


def build(builder: Builder, body: dict[str, Any]) -> Resource:
    """The resource a request body describes. Raises InvalidInput with every fault, each naming its key."""
    pack = str(body.get("pack") or "default")
    content = {key: value for key, value in body.items() if key not in _COMPUTED}
    try:
        built: list[Resource] = builder(content, Scope(pack=pack, folder=Path(), metadata_file=""))
    except Faulty as exc:
        faults = [fault for fault in exc.faults if fault.severity == "error"] or exc.faults
        said = " ".join(f"{dotted(f.keys)}: {f.message}" if f.keys else f.message for f in faults)
        raise InvalidInput(said, where=dotted(faults[0].keys)) from exc
    return built[0]


def create(
    services: ApiServices, cache: RegisteredCache, kind: str, item: Resource, actor: str
) -> Registered:
    """Register a new resource. Raises Conflict when its ref is taken."""
    taken = cache.of_kind(kind).get(item.ref)
    if taken is not None:
        raise Conflict(f"There is a {_words(kind)} '{item.ref}' already.", conflict_id=taken.id)
    _write(
        services,
        "created",
        kind,
        item.ref,
        actor,
        lambda tx: registry.put(tx, [_digested(item)], source="api"),
    )
    return cache.get(kind, item.ref)


def replace(
    services: ApiServices,
    cache: RegisteredCache,
    builder: Builder,
    kind: str,
    ref: str,
    body: dict[str, Any],
    actor: str,
) -> Registered:
    """Take the body of a PUT: a whole object, of which perhaps only ``enabled`` differs (StackStorm's clients do that).

    Raises NotFound, InvalidInput, and Conflict for what a pack's file describes.
    """
    present = cache.get(kind, ref)
    if _same_but_enabled(present.item, body):
        return set_enabled(services, cache, kind, present.item.ref, bool(body.get("enabled", True)), actor)
    _refuse_pack_owned(present, "changed")
    item = build(builder, {**body, "pack": present.item.pack, "name": present.item.name})
    _write(
        services,
        "replaced",
        kind,
        item.ref,
        actor,
        lambda tx: registry.put(tx, [_digested(item)], source="api"),
    )
    return cache.get(kind, item.ref)


def set_enabled(
    services: ApiServices, cache: RegisteredCache, kind: str, ref: str, enabled: bool, actor: str
) -> Registered:
    """Record a person's choice, which survives reloads of the pack. Raises NotFound."""
    present = cache.get(kind, ref)
    if present.item.enabled != enabled:
        verb = "enabled" if enabled else "disabled"
        known = present.item.ref
        _write(services, verb, kind, known, actor, lambda tx: registry.set_enabled(tx, kind, known, enabled))
    return cache.get(kind, ref)


def remove(services: ApiServices, cache: RegisteredCache, kind: str, ref: str, actor: str) -> None:
    """Remove what was made through the API. Raises NotFound, and Conflict for what a pack's file describes."""
    present = cache.get(kind, ref)
    _refuse_pack_owned(present, "removed")
    known = present.item.ref
    _write(services, "removed", kind, known, actor, lambda tx: registry.remove(tx, kind, [known]))


def _write(
    services: ApiServices, verb: str, kind: str, ref: str, actor: str, change: Callable[[Tx], object]
) -> None:
    with services.database.write() as tx:
        change(tx)
        audit.record(tx, [AuditEntry(actor=actor, verb=verb, kind=kind, ref=ref)])
    services.catalog.current()
    services.bus.publish(Bell(topic=Topic.REGISTRY_CHANGED, ids=[ref]))


def _refuse_pack_owned(present: Registered, done: str) -> None:
    if present.source == "pack":
        where = f"{present.item.metadata_file} of pack '{present.item.pack}'"
        raise Conflict(
            f"{_words(present.kind).capitalize()} '{present.item.ref}' comes from {where}; it can be {done} "
            f"only there. Through the API it can be enabled and disabled.",
            conflict_id=present.id,
        )


def _same_but_enabled(item: Resource, body: dict[str, Any]) -> bool:
    known = type(item).model_fields
    given = {key: value for key, value in body.items() if key in known and key not in (*_COMPUTED, "enabled")}
    plain = item.model_dump()
    return all(_normal(plain.get(key)) == _normal(value) for key, value in given.items())


def _normal(value: Any) -> Any:
    """``value`` without empty parts: a client leaves out or nulls what is empty."""
    if isinstance(value, dict):
        return {
            key: kept for key, entry in value.items() if (kept := _normal(entry)) not in (None, "", {}, [])
        }
    if isinstance(value, list):
        return [_normal(entry) for entry in value]
    return value


def _digested(item: Resource) -> tuple[Resource, str]:
    return item, hashlib.sha256(encode(item)).hexdigest()


def _words(kind: str) -> str:
    return kind.replace("_", " ")
