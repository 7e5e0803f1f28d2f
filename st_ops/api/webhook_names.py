"""The webhooks there are: those that rules name, the built-in sources, and the one for any trigger."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Response
from starlette.requests import HTTPConnection

from st_ops.api.answers import Json
from st_ops.api.services import ApiServices
from st_ops.api.webhook_bodies import ANY_TRIGGER
from st_ops.errors import NotFound
from st_ops.model.events import trigger_ref_for
from st_ops.packs.catalog import Snapshot

#: The trigger type of webhooks that rules name.
WEBHOOK_TYPE = "core.st2.webhook"

router = APIRouter(tags=["webhooks"])


class WebhookNames:
    """The names of webhooks, as the registry has them at the moment."""

    def __init__(self, services: ApiServices) -> None:
        self._catalog = services.catalog
        self._sources = services.sources
        self._names: tuple[int, dict[str, list[str]]] = (-1, {})

    async def triggers_of(self, name: str) -> list[str]:
        """The triggers that rules made of this webhook; the registry is asked anew about an unknown one."""
        found = self._known(self._catalog.cached()).get(name)
        if found is None and name not in self._sources:
            snapshot = await to_thread.run_sync(self._catalog.current)
            found = self._known(snapshot).get(name)
        return found or []

    async def all(self) -> list[str]:
        """Every name, in order."""
        snapshot = await to_thread.run_sync(self._catalog.current)
        return sorted({ANY_TRIGGER, *self._sources, *self._known(snapshot)})

    async def unknown(self, name: str) -> NotFound:
        """The error about a webhook that nobody named."""
        known = ", ".join(await self.all())
        return NotFound(
            "webhook", name, f"A rule with the trigger {WEBHOOK_TYPE} makes one. Known are: {known}."
        )

    def describe(self, name: str) -> dict[str, Any]:
        """One of them, in StackStorm's form."""
        kind = "any trigger" if name == ANY_TRIGGER else "source" if name in self._sources else "rules"
        shape: dict[str, Any] = {
            "id": name,
            "uid": f"webhook:{name}",
            "url": name,
            "type": WEBHOOK_TYPE,
            "kind": kind,
        }
        # Its clients read the trigger's parameters.
        return {**shape, "parameters": {"url": name}, "description": f"Served as: {kind}."}

    def _known(self, snapshot: Snapshot) -> dict[str, list[str]]:
        version, names = self._names
        if version != snapshot.version:
            names = webhook_triggers(snapshot)
            self._names = (snapshot.version, names)
        return names


def webhook_triggers(snapshot: Snapshot) -> dict[str, list[str]]:
    """Webhook name → the refs of the triggers that rules made of it."""
    found: dict[str, set[str]] = {}
    for rule in snapshot.rules.values():
        url = rule.trigger.parameters.get("url")
        if rule.trigger.type == WEBHOOK_TYPE and isinstance(url, str):
            found.setdefault(url.strip("/"), set()).add(
                trigger_ref_for(WEBHOOK_TYPE, rule.trigger.parameters)
            )
    return {name: sorted(refs) for name, refs in found.items()}


async def names_of(connection: HTTPConnection) -> WebhookNames:
    """The names of the application that serves this request."""
    names = connection.app.state.webhook_names
    assert isinstance(names, WebhookNames)
    return names


Names = Annotated[WebhookNames, Depends(names_of)]


@router.get("/webhooks")
async def list_webhooks(names: Names) -> Response:
    """The webhooks there are, by name."""
    found = [names.describe(name) for name in await names.all()]
    return Json(found, headers={"X-Total-Count": str(len(found)), "X-Limit": str(len(found))})


@router.get("/webhooks/{name:path}")
async def get_webhook(names: Names, name: str) -> Response:
    """One of them."""
    if name not in await names.all():
        raise await names.unknown(name)
    return Json(names.describe(name))
