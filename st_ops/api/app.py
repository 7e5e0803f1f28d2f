"""The API as one application: its routes and its middleware, as lists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from anyio import to_thread
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

import st_ops
from st_ops.api import (
    actions,
    aliases,
    artifacts,
    audit,
    execution_parts,
    executions,
    faults,
    health,
    inquiries,
    keys,
    packs,
    policies,
    results,
    rule_enforcements,
    rules,
    runner_types,
    sensor_types,
    status,
    stream,
    trigger_instances,
    triggers,
    user,
    webhook_description,
    webhook_names,
    workers,
)
from st_ops.api.auth import Authentication, Callers
from st_ops.api.hub import Hub
from st_ops.api.middleware import Paths, Requests
from st_ops.api.registered import RegisteredCache
from st_ops.api.rejections import Rejections
from st_ops.api.services import ApiServices
from st_ops.api.webhook_names import WebhookNames
from st_ops.api.webhooks import Webhooks, is_webhook
from st_ops.errors import Unavailable
from st_ops.store.figures import StoredFigures

#: One router per noun. Of two routes that fit a path the earlier one counts.
ROUTERS = (
    health.router,
    status.router,
    user.router,
    stream.router,
    executions.router,
    execution_parts.router,
    artifacts.router,
    inquiries.router,
    results.router,
    webhook_names.router,
    actions.router,
    rules.router,
    rule_enforcements.router,
    triggers.router,
    trigger_instances.router,
    sensor_types.router,
    packs.router,
    policies.router,
    aliases.router,
    runner_types.router,
    keys.router,
    audit.router,
    workers.router,
)


class Api(FastAPI):
    """The application. Posts to webhooks, which come by the thousand, go straight to ``state.webhooks``."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if is_webhook(scope):
            await self.state.webhooks(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(
    services: ApiServices, *, routes: Sequence[BaseRoute] = (), open_prefixes: tuple[str, ...] = ()
) -> Api:
    """The application over ``services``, which must be open for as long as it serves.

    ``routes`` are further ones (the web pages); paths that start with one of ``open_prefixes`` need no token here.
    """
    metrics = services.metrics
    metrics.registry.register(StoredFigures(services.database))
    rejections = Rejections(services.database, metrics, services.settings.intake.rejected_body_bytes)
    callers = Callers(services.tokens.check)
    app = Api(
        title="st_ops",
        version=st_ops.__version__,
        description="Event-driven operations automation. Every path also exists below /v1.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        middleware=[
            Middleware(Requests, observe=metrics.observe_request),
            Middleware(Paths),
            Middleware(Authentication, callers=callers, open_prefixes=open_prefixes),
        ],
        exception_handlers={**faults.HANDLERS},
        separate_input_output_schemas=False,
    )
    app.state.services = services
    app.state.metrics = metrics
    app.state.registered = RegisteredCache(services.database)
    app.state.hub = Hub(services)
    app.state.webhook_names = WebhookNames(services)
    app.state.webhooks = Webhooks(services, app.state.webhook_names, callers, metrics, rejections)
    for router in ROUTERS:
        app.include_router(router)
    app.router.routes.extend(routes)
    _describe_webhooks(app)
    return app


def _describe_webhooks(app: FastAPI) -> None:
    plain = app.openapi

    def whole() -> dict[str, Any]:
        described = plain()
        for path, methods in webhook_description.PATHS.items():
            described["paths"].setdefault(path, {}).update(methods)
        return described

    app.openapi = whole  # type: ignore[method-assign]  # FastAPI's own way to extend the description


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    hub: Hub = app.state.hub
    await hub.open()
    refresher = asyncio.create_task(_refresh(app.state.services), name="catalog-refresher")
    try:
        yield
    finally:
        refresher.cancel()
        await asyncio.gather(refresher, return_exceptions=True)
        await hub.close()


async def _refresh(services: ApiServices) -> None:
    """Look at the registry's version at every sweep: a bell that told of a change may be lost."""
    while True:
        # While the store is away requests say so themselves; this only waits for it to come back.
        with suppress(Unavailable):
            await to_thread.run_sync(services.catalog.current)
        await asyncio.sleep(services.settings.bus.sweep_seconds)
