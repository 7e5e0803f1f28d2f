"""Who is asking, and a token for the next time."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request, Response
from pydantic import Field

from st_ops.api.answers import Json
from st_ops.api.auth import Caller
from st_ops.api.services import Services
from st_ops.errors import Forbidden, Unauthorized
from st_ops.model.base import Model
from st_ops.model.identity import new_id, now

router = APIRouter(tags=["user"])

#: Seconds a token lives when its maker does not say (StackStorm's default), and at most.
_DEFAULT_TTL, _MAX_TTL = 86_400, 31_536_000


class NewToken(Model):
    """A token to make."""

    ttl: int = Field(_DEFAULT_TTL, gt=0, le=_MAX_TTL, description="Seconds until it expires.")
    user: str | None = Field(None, description="Whose; another's only for administrators.")


class TokenToCheck(Model):
    """A token to look at."""

    token: str


@router.get("/user")
def get_user(request: Request, caller: Caller) -> Response:
    """Who this token stands for."""
    roles = ["admin"] if caller.admin else []
    place = request.scope.get("token_place", "header")
    return Json(
        {
            "username": caller.user,
            "rbac": {"enabled": False, "roles": roles, "is_admin": caller.admin},
            "authentication": {"method": "token", "location": place},
        }
    )


@router.post("/tokens", status_code=201)
def create_token(services: Services, caller: Caller, body: NewToken | None = None) -> Response:
    """A new token, for the caller unless an administrator names somebody else. It is shown only here."""
    wanted = body or NewToken()
    if caller.execution_id:
        raise Forbidden("The token of a running action cannot make tokens.")
    user = wanted.user or caller.user
    if user != caller.user and not caller.admin:
        raise Forbidden(f"Only an administrator may make a token for somebody else ('{user}').")
    token = services.tokens.issue(user, ttl=wanted.ttl, admin=caller.admin and user == caller.user)
    expiry = now() + timedelta(seconds=wanted.ttl)
    return Json(
        {"id": new_id(), "user": user, "token": token, "expiry": expiry, "metadata": {}}, status_code=201
    )


@router.post("/tokens/validate")
def validate_token(services: Services, body: TokenToCheck) -> Response:
    """Whether a token is valid, and whose it is."""
    try:
        identity = services.tokens.check(body.token)
    except Unauthorized:
        return Json({"valid": False})
    return Json({"valid": True, "user": identity.user})
