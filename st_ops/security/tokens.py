"""Access tokens: stored ones for people and systems, signed short-lived ones for running actions."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

from st_ops.errors import Unauthorized
from st_ops.model.identity import now
from st_ops.model.records import Token
from st_ops.store import tokens
from st_ops.store.database import Database

#: How long a checked token is remembered, in seconds: the longest a revoked one may still work.
_REMEMBER_SECONDS = 5.0
_SIGNED = "st2a"


@dataclass(frozen=True)
class Identity:
    """Who a request comes from. ``execution_id`` is set for tokens handed to running actions."""

    user: str
    admin: bool = False
    execution_id: str = ""


class Tokens:
    """Issues and checks tokens."""

    def __init__(self, database: Database, signing_key: bytes) -> None:
        self._database = database
        self._key = signing_key
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Identity]] = {}

    def issue(self, user: str, *, ttl: float | None = None, admin: bool = False) -> str:
        """A new stored token for ``user``, valid ``ttl`` seconds (None = until revoked). It is shown only here."""
        plain = secrets.token_urlsafe(32)
        until = None if ttl is None else now() + timedelta(seconds=ttl)
        entry = Token(user=user, digest=_digest(plain), expires_at=until, metadata={"admin": admin})
        with self._database.write() as tx:
            tokens.put(tx, entry)
        return plain

    def adopt(self, plain: str, user: str, *, admin: bool = False) -> None:
        """Store ``plain``, made elsewhere (the admin token file), as a token of ``user``. Idempotent."""
        with self._database.write() as tx:
            if tokens.by_digest(tx, _digest(plain)) is None:
                tokens.put(tx, Token(user=user, digest=_digest(plain), metadata={"admin": admin}))

    def sign(self, user: str, execution_id: str, seconds: float) -> str:
        """A token for one running action; checked without the store, worthless after ``seconds``."""
        until = int(time.time() + seconds)
        body = f"{_SIGNED}.{execution_id}.{until}.{user.encode().hex()}"
        return f"{body}.{self._signature(body)}"

    def _signature(self, body: str) -> str:
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()

    def check(self, plain: str) -> Identity:
        """Who this token stands for. Raises Unauthorized."""
        if plain.startswith(_SIGNED + "."):
            return self._check_signed(plain)
        digest = _digest(plain)
        with self._lock:
            remembered = self._known.get(digest)
        if remembered is not None and remembered[0] > time.monotonic():
            return remembered[1]
        with self._database.read() as tx:
            found = tokens.by_digest(tx, digest)
        if found is None:
            raise Unauthorized("The token is not known, or has expired.")
        identity = Identity(found.user, admin=bool(found.metadata.get("admin")))
        with self._lock:
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[digest] = (time.monotonic() + _REMEMBER_SECONDS, identity)
        return identity

    def _check_signed(self, plain: str) -> Identity:
        body, _, signature = plain.rpartition(".")
        parts = body.split(".")
        if len(parts) != 4 or not hmac.compare_digest(signature, self._signature(body)):
            raise Unauthorized("The token's signature is not valid.")
        if int(parts[2]) < time.time():
            raise Unauthorized("The token of this action has expired.")
        return Identity(bytes.fromhex(parts[3]).decode(), execution_id=parts[1])


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()
