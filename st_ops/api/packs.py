"""Packs: what is registered, what is wrong in it, and reading it anew from its folder."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import Field

from st_ops.api.answers import Json
from st_ops.api.auth import Caller
from st_ops.api.content_shapes import pack_shape
from st_ops.api.fields import Wanted
from st_ops.api.paging import Paged
from st_ops.api.services import ApiServices, Services
from st_ops.errors import Forbidden, NotFound
from st_ops.model.base import Model
from st_ops.model.records import AuditEntry
from st_ops.model.resources import Pack
from st_ops.packs.catalog import Snapshot
from st_ops.store import audit, registry

router = APIRouter(tags=["packs"])


class Register(Model):
    """Which packs to read anew."""

    packs: list[str] = Field(default_factory=list, description="Refs; none: every pack.")
    types: list[str] = Field(
        default_factory=list, description="Taken as StackStorm's clients send it; all types are read."
    )
    fail_on_failure: bool = Field(False, description="Answer 400 when something in a pack is wrong.")


@router.get("/packs")
def list_packs(services: Services, page: Paged, fields: Wanted, name: str | None = None) -> Response:
    """Packs by ref."""
    snapshot = services.catalog.current()
    found = [entry for _, entry in sorted(snapshot.packs.items()) if name in (None, entry.name, entry.ref)]
    items = [fields.choose(_shape(services, entry)) for entry in page.of(found)]
    return page.answer(items, len(found))


@router.post("/packs/register")
def register_packs(services: Services, caller: Caller, body: Register | None = None) -> Response:
    """Read packs anew from their folders; counts per kind, and what is wrong with file, line and key."""
    if not caller.admin:
        raise Forbidden("Only an administrator may register packs.")
    wanted = body or Register()
    done = dict(services.packs.reload(wanted.packs))
    with services.database.write() as tx:
        audit.record(
            tx, [AuditEntry(actor=caller.user, verb="registered", kind="pack", ref=",".join(wanted.packs))]
        )
    services.catalog.current()
    failed = wanted.fail_on_failure and done.get("problems")
    return Json(done, status_code=400 if failed else 200)


@router.get("/packs/{ref}")
def get_pack(services: Services, fields: Wanted, ref: str) -> Response:
    """One pack, with how much of each kind it has and what is wrong in it."""
    snapshot = services.catalog.current()
    found = snapshot.packs.get(ref)
    if found is None:
        raise NotFound("pack", ref, "'st-ops pack list' shows what there is.")
    return Json(fields.choose({**_shape(services, found), "content": _content(snapshot, ref)}))


def _shape(services: ApiServices, entry: Pack) -> dict[str, Any]:
    with services.database.read() as tx:
        row = registry.pack_row(tx, entry.ref)
    if row is None:
        return pack_shape(entry)
    return pack_shape(entry, row["id"], problems=row["problems"], updated_at=row["updated_at"])


def _content(snapshot: Snapshot, ref: str) -> dict[str, list[str]]:
    kinds = {
        "actions": snapshot.actions,
        "rules": snapshot.rules,
        "sensors": snapshot.sensors,
        "triggers": snapshot.trigger_types,
        "policies": snapshot.policies,
    }
    return {
        name: sorted(key for key, item in found.items() if item.pack == ref) for name, found in kinds.items()
    }
