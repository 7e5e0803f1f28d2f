"""The registry as the API lists it: with database ids and sources, read anew only when its version grew."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import HTTPConnection

from st_ops.api.answers import Json
from st_ops.api.fields import Fields
from st_ops.api.masking import Mask
from st_ops.api.paging import Page
from st_ops.errors import NotFound
from st_ops.store import registry
from st_ops.store.database import Database
from st_ops.store.registry import Registered

#: Makes the answer of one resource from the resource, the mask and its database id.
Shape = Callable[[Any, Mask, str], dict[str, Any]]

#: kind → the command that lists it.
_COMMANDS = {
    "action": "action list", "rule": "rule list", "trigger_type": "trigger list", "sensor": "sensor list",
}  # fmt: skip


class RegisteredCache:
    """Every registered resource of a kind, by ref."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._version = -1
        self._kinds: dict[str, Mapping[str, Registered]] = {}

    def of_kind(self, kind: str) -> Mapping[str, Registered]:
        """Ref → resource, in the order of refs."""
        with self._database.read() as tx, self._lock:
            version = registry.version(tx)
            if version != self._version:
                self._version, self._kinds = version, {}
            if kind not in self._kinds:
                self._kinds[kind] = {entry.item.ref: entry for entry in registry.find(tx, kind)}
            return self._kinds[kind]

    def get(self, kind: str, ref_or_id: str) -> Registered:
        """One resource by ref or id. Raises NotFound."""
        entries = self.of_kind(kind)
        found = entries.get(ref_or_id) or next((e for e in entries.values() if e.id == ref_or_id), None)
        if found is None:
            command = _COMMANDS.get(kind)
            hint = f"'st-ops {command}' shows what there is." if command else ""
            raise NotFound(kind.replace("_", " "), ref_or_id, hint)
        return found

    def matching(self, kind: str, **wanted: Any) -> list[Registered]:
        """Those of a kind whose attributes have the wanted values; None = any."""
        given = [(name, value) for name, value in wanted.items() if value is not None]
        return [
            entry
            for entry in self.of_kind(kind).values()
            if all(getattr(entry.item, name) == value for name, value in given)
        ]


def page_of_content(
    entries: Sequence[Registered], page: Page, fields: Fields, shape: Shape, mask: Mask | None = None
) -> Json:
    """One page of registered resources."""
    hidden = mask or Mask()
    items = [fields.choose(shape(entry.item, hidden, entry.id)) for entry in page.of(entries)]
    return page.answer(items, len(entries))


async def registered_of(connection: HTTPConnection) -> RegisteredCache:
    """The cache of the application that serves this request."""
    cache = connection.app.state.registered
    assert isinstance(cache, RegisteredCache)
    return cache


#: A route's way to the registry.
Registry = Annotated[RegisteredCache, Depends(registered_of)]
