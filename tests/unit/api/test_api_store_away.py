"""The store is away: callers are told to come back, and health says who is missing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from fastapi import FastAPI

from st_ops.api.app import create_app
from st_ops.api.services import ApiServices
from st_ops.artifacts.keeping import Artifacts
from st_ops.bus.kombu_bus import KombuBus
from st_ops.executions.inquiries import Inquiries
from st_ops.executions.lifecycle import Lifecycle
from st_ops.executions.limits import Limits
from st_ops.executions.orders import Orders
from st_ops.executions.parameters import ParameterRendering
from st_ops.executions.requests import Requests
from st_ops.expressions.jinja import Templates
from st_ops.intake.accept import Intake
from st_ops.packs.catalog import Catalog
from st_ops.packs.registrar import Registrar
from st_ops.security.key_values import KeyValues
from st_ops.security.secrets import SecretBox
from st_ops.security.tokens import Tokens
from st_ops.settings import ArtifactSettings, Settings
from st_ops.store.database import Database


@pytest.fixture
def token_and_app(tmp_path: Path) -> Iterator[tuple[str, FastAPI]]:
    """An API whose database does not listen, and a token that is checked without it."""
    with socket.socket() as taken:
        # Bound but not listening: connections are refused, and nobody else takes the port meanwhile.
        taken.bind(("127.0.0.1", 0))
        database = Database(f"postgresql://user@127.0.0.1:{taken.getsockname()[1]}/nothing")
        bus = KombuBus("memory://", namespace=f"away-{tmp_path.name}")
        bus.open()
        catalog, box = Catalog(database), SecretBox.from_file(tmp_path / "keys")
        intake, key_values = Intake(database, bus, catalog), KeyValues(database, box)
        tokens = Tokens(database, box.signing_key)
        limits = Limits(Templates())
        lifecycle = Lifecycle(database, bus, catalog, limits)
        parameters = ParameterRendering(key_values, box, lambda pack: {})
        requests = Requests(database, bus, catalog, lifecycle, parameters, limits)
        services = ApiServices(
            settings=Settings(home=tmp_path), database=database, bus=bus, catalog=catalog, intake=intake,
            requests=requests, orders=Orders(database, bus, lifecycle), tokens=tokens, key_values=key_values, box=box,
            packs=Registrar(database, bus, []), test_rule=lambda rule, instance: {},
            artifacts=Artifacts(ArtifactSettings(), tmp_path), inquiries=Inquiries(database, bus, lifecycle, box, 60),
        )  # fmt: skip
        yield tokens.sign("ada", "0" * 24, 60), create_app(services)
        bus.close()
        database.close()


def _ask(
    token_and_app: tuple[str, FastAPI], method: str, path: str, token: str | None = None
) -> httpx.Response:
    signed, app = token_and_app

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(
                method, path, json={} if method == "POST" else None, headers={"X-Auth-Token": token or signed}
            )

    return anyio.run(ask)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/executions"), ("GET", "/v1/keys"), ("GET", "/v1/status"), ("POST", "/v1/webhooks/hook")],
)
def test_a_request_is_told_to_come_back(token_and_app, method: str, path: str):
    answer = _ask(token_and_app, method, path)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["faultstring"].startswith("The store is not available")


def test_a_stored_token_cannot_be_checked_so_the_caller_is_told_to_come_back(token_and_app):
    answer = _ask(token_and_app, "GET", "/v1/executions", token="some-stored-token")
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)


def test_readiness_names_the_store_and_liveness_asks_nobody(token_and_app):
    answer = _ask(token_and_app, "GET", "/health/ready")
    assert answer.status_code == 503
    assert answer.json()["dependencies"]["bus"] == "ok"
    assert "store is not available" in answer.json()["dependencies"]["store"]
    assert _ask(token_and_app, "GET", "/health/live").status_code == 200


def test_the_figures_say_that_the_store_is_away(token_and_app):
    assert "st_ops_store_up 0.0" in _ask(token_and_app, "GET", "/metrics").text
