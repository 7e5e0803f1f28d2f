"""The datastore: key-values of the system and of users; secret ones are shown only to those who may see them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from st_ops.api.answers import Json
from st_ops.api.auth import Caller
from st_ops.api.fields import Wanted
from st_ops.api.paging import Paged
from st_ops.api.services import Services
from st_ops.errors import Forbidden, InvalidInput, NotFound
from st_ops.expressions.masking import MASK
from st_ops.model.base import Model
from st_ops.model.records import KeyValue
from st_ops.security.tokens import Identity

router = APIRouter(tags=["keys"])

_SYSTEM, _USER = "st2kv.system", "st2kv.user"
#: What callers write → the scope; None = all.
_SCOPES = {"system": _SYSTEM, _SYSTEM: _SYSTEM, "user": _USER, _USER: _USER}


class NewValue(Model):
    """A value to store."""

    value: str = Field(description="Any text; structures as JSON text.")
    secret: bool = Field(False, description="Seal it at rest and mask it everywhere.")
    ttl: float | None = Field(None, gt=0, description="Seconds until it is gone.")
    scope: str | None = None
    user: str | None = None
    # StackStorm's clients send these back.
    name: str | None = None
    encrypted: bool = False
    description: str | None = None
    id: str | None = None
    uid: str | None = None
    expire_timestamp: str | None = None


async def scope_of(scope: Annotated[str, Query(description="system or user")] = "system") -> str:
    """The scope of a request. Raises InvalidInput."""
    if scope not in _SCOPES:
        raise InvalidInput(f"'scope' is '{scope}'; it is system or user.", where="scope")
    return _SCOPES[scope]


Scope = Annotated[str, Depends(scope_of)]


@router.get("/keys")
def list_keys(
    services: Services,
    caller: Caller,
    page: Paged,
    fields: Wanted,
    prefix: str = "",
    scope: str = "system",
    user: str | None = None,
    decrypt: bool = False,
) -> Response:
    """Key-values by name; scope ``all`` for both the system's and your own."""
    owner = _owner(caller, user)
    _allow(caller, decrypt, scope)
    scopes = [_SYSTEM, _USER] if scope == "all" else [_SCOPES.get(scope, scope)]
    found: list[KeyValue] = []
    for name in scopes:
        found += services.key_values.find(prefix=prefix, scope=name, user=owner, decrypt=decrypt)
    items = [fields.choose(_shape(entry, decrypt)) for entry in page.of(found)]
    return page.answer(items, len(found))


@router.get("/keys/{name}")
def get_key(
    services: Services,
    caller: Caller,
    scope: Scope,
    name: str,
    user: str | None = None,
    decrypt: bool = False,
) -> Response:
    """One key-value; ``decrypt`` shows a secret one: an administrator, or a user his own."""
    _allow(caller, decrypt, scope)
    entry = services.key_values.get(name, scope=scope, user=_owner(caller, user), decrypt=decrypt)
    if entry is None:
        raise NotFound("key", name, "'st-ops key list' shows what there is.")
    return Json(_shape(entry, decrypt))


@router.put("/keys/{name}")
def put_key(services: Services, caller: Caller, scope: Scope, name: str, body: NewValue) -> Response:
    """Store or replace one key-value."""
    if body.encrypted:
        raise InvalidInput(
            "Values that are encrypted already cannot be taken; give the plain one with 'secret'.",
            where="encrypted",
        )
    if body.scope is not None:
        scope = _SCOPES.get(body.scope, "")
        if not scope:
            raise InvalidInput(f"'scope' is '{body.scope}'; it is system or user.", where="scope")
    entry = services.key_values.put(
        name,
        body.value,
        scope=scope,
        user=_owner(caller, body.user),
        secret=body.secret,
        ttl=body.ttl,
        actor=caller.user,
    )
    return Json(_shape(entry, False))


@router.delete("/keys/{name}", status_code=204)
def delete_key(
    services: Services, caller: Caller, scope: Scope, name: str, user: str | None = None
) -> Response:
    """Remove one key-value."""
    if not services.key_values.remove(name, scope=scope, user=_owner(caller, user), actor=caller.user):
        raise NotFound("key", name, "'st-ops key list' shows what there is.")
    return Response(status_code=204)


def _owner(caller: Identity, user: str | None) -> str:
    if user and user != caller.user and not caller.admin:
        raise Forbidden(f"Only an administrator may reach the keys of somebody else ('{user}').")
    return user or caller.user


def _allow(caller: Identity, decrypt: bool, scope: str) -> None:
    if decrypt and not caller.admin and _SCOPES.get(scope) != _USER:
        raise Forbidden("Only an administrator may decrypt the system's secrets.")


def _shape(entry: KeyValue, decrypted: bool) -> dict[str, Any]:
    name = entry.name.removeprefix(f"{entry.user}:") if entry.scope == _USER else entry.name
    shape = {
        "id": f"{entry.scope}:{entry.name}",
        "uid": f"key_value_pair:{entry.scope}:{entry.name}",
        "name": name,
        "value": MASK if entry.secret and not decrypted else entry.value,
        "secret": entry.secret,
        "encrypted": entry.secret and not decrypted,
        "scope": entry.scope,
        "user": entry.user,
        "expire_timestamp": entry.expire_timestamp,
        "updated_at": entry.updated_at,
    }
    return {key: value for key, value in shape.items() if value is not None}
