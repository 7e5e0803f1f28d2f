"""The datastore as people, actions and templates use it: secret values are sealed on the way in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from st_ops.model.identity import now
from st_ops.model.records import AuditEntry, KeyValue
from st_ops.security.secrets import SecretBox
from st_ops.store import audit, key_values
from st_ops.store.database import Database, Tx

SYSTEM = "st2kv.system"
USER = "st2kv.user"


class KeyValues:
    """Reads and writes the datastore."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database = database
        self._box = box
        self._noting = threading.local()

    def get(
        self, name: str, *, scope: str = SYSTEM, user: str = "", decrypt: bool = False
    ) -> KeyValue | None:
        """One entry, or None. A secret value comes sealed unless ``decrypt``."""
        with self._database.read() as tx:
            return self.get_in(tx, name, scope=scope, user=user, decrypt=decrypt)

    def get_in(
        self, tx: Tx, name: str, *, scope: str = SYSTEM, user: str = "", decrypt: bool = False
    ) -> KeyValue | None:
        """Likewise within the caller's transaction."""
        found = key_values.get(tx, stored_name(name, scope, user), scope)
        if found is None or not (decrypt and found.secret):
            return found
        return found.model_copy(update={"value": self._box.open(found.value)})

    def find(
        self,
        *,
        prefix: str = "",
        scope: str | None = SYSTEM,
        user: str = "",
        decrypt: bool = False,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[KeyValue]:
        """Entries whose name starts with ``prefix``."""
        start = stored_name(prefix, scope, user) if scope is not None else prefix
        with self._database.read() as tx:
            found = key_values.find(tx, prefix=start, scope=scope, limit=limit, offset=offset)
        if not decrypt:
            return found
        return [
            entry.model_copy(update={"value": self._box.open(entry.value)}) if entry.secret else entry
            for entry in found
        ]

    def put(
        self,
        name: str,
        value: str,
        *,
        scope: str = SYSTEM,
        user: str = "",
        secret: bool = False,
        ttl: float | None = None,
        actor: str = "system",
    ) -> KeyValue:
        """Store or replace one entry; ``ttl`` in seconds. Its audit entry never holds the value."""
        until: datetime | None = None if ttl is None else now() + timedelta(seconds=ttl)
        entry = KeyValue(
            name=stored_name(name, scope, user), value=self._box.seal(value) if secret else value, scope=scope,
            secret=secret, user=user if scope == USER else "", expire_timestamp=until,
        )  # fmt: skip
        with self._database.write() as tx:
            key_values.put(tx, [entry])
            audit.record(
                tx, [AuditEntry(actor=actor, verb="set", kind="key_value", ref=f"{scope}:{entry.name}")]
            )
        return entry

    def remove(self, name: str, *, scope: str = SYSTEM, user: str = "", actor: str = "system") -> bool:
        """Remove one entry; False when there was none."""
        stored = stored_name(name, scope, user)
        with self._database.write() as tx:
            gone = key_values.remove(tx, stored, scope)
            if gone:
                audit.record(
                    tx, [AuditEntry(actor=actor, verb="deleted", kind="key_value", ref=f"{scope}:{stored}")]
                )
        return gone

    def lookup(self, scope: str, user: str, name: str) -> str | None:
        """What templates see as ``st2kv.…``: the value as stored, a secret's still sealed."""
        found = self.get(name, scope=scope, user=user)
        return None if found is None else found.value

    def decrypt(self, sealed: str) -> str:
        """What the ``decrypt_kv`` filter answers. Raises SecretError."""
        opened = self._box.open(sealed)
        for listening in getattr(self._noting, "lists", ()):
            listening.append(opened)
        return opened

    @contextmanager
    def noting(self) -> Iterator[list[str]]:
        """The secrets that templates decrypt in this thread while the block runs, in a list that fills meanwhile.

        Whoever renders must know them: what they end up in is secret too.
        """
        opened: list[str] = []
        before = getattr(self._noting, "lists", ())
        self._noting.lists = (*before, opened)
        try:
            yield opened
        finally:
            self._noting.lists = before


def stored_name(name: str, scope: str, user: str) -> str:
    """A user's names are stored as ``user:name`` (StackStorm's form)."""
    return f"{user}:{name}" if scope == USER else name
