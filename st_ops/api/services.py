"""What the API works with. Everything is handed in; the contracts below say what is asked of whoever fills them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from fastapi import Depends
from starlette.requests import HTTPConnection

from st_ops.artifacts.keeping import Artifacts
from st_ops.bus.interface import Bus
from st_ops.executions.orders import Orders
from st_ops.executions.requests import Requests
from st_ops.intake.accept import Intake
from st_ops.metrics import Metrics
from st_ops.model.events import NewEvent, TriggerInstance
from st_ops.model.executions import Execution
from st_ops.model.resources import Rule
from st_ops.packs.catalog import Catalog
from st_ops.security.key_values import KeyValues
from st_ops.security.secrets import SecretBox
from st_ops.security.tokens import Tokens
from st_ops.settings import Settings
from st_ops.store.database import Database


class PackLoader(Protocol):
    """Whoever reads packs from their folders into the registry."""

    def reload(self, refs: Sequence[str] = ()) -> Mapping[str, Any]:
        """Register what these packs' folders hold now (none given: all packs).

        Answers facts for people and programs: counts per kind, and ``problems``, each with path, line, key and message.
        Raises NotFound for a pack that no folder holds.
        """


class RuleTester(Protocol):
    """Whoever tells what a rule would make of an event."""

    def __call__(self, rule: Rule, instance: TriggerInstance) -> Mapping[str, Any]:
        """``matched``, the criteria one by one, and the rendered parameters. Nothing is executed or stored."""


class Answers(Protocol):
    """Whoever takes people's answers to inquiries."""

    def respond(self, inquiry_id: str, response: Any, user: str, *, admin: bool) -> Execution:
        """Take an answer; the execution that asks succeeds with it.

        Raises NotFound, Conflict when it is over, Forbidden when it is not for this user, InvalidInput for an answer
        that its schema refuses.
        """


class WebhookSource(Protocol):
    """One kind of monitoring system that posts events in a form of its own."""

    def parse(self, headers: Mapping[str, str], raw: bytes) -> list[NewEvent]:
        """The events in one request body; ``headers`` have lower-case names.

        Raises InvalidInput, naming the key, for a body that is not of this source's form.
        """


@dataclass(frozen=True, kw_only=True)
class ApiServices:
    """The collaborators of the API."""

    settings: Settings
    database: Database
    bus: Bus
    catalog: Catalog
    intake: Intake
    requests: Requests
    orders: Orders
    tokens: Tokens
    key_values: KeyValues
    box: SecretBox
    packs: PackLoader
    test_rule: RuleTester
    #: What this process counts; /metrics shows it.
    metrics: Metrics = field(default_factory=Metrics)
    artifacts: Artifacts
    inquiries: Answers
    #: Webhook name → the built-in source that reads it.
    sources: Mapping[str, WebhookSource] = field(default_factory=dict)
    #: Dependency → a call that raises when it does not answer. The store is always asked.
    pings: Mapping[str, Callable[[], None]] = field(default_factory=dict)


async def services_of(connection: HTTPConnection) -> ApiServices:
    """The services of the application that serves this request."""
    services = connection.app.state.services
    assert isinstance(services, ApiServices)
    return services


#: A route's way to the services.
Services = Annotated[ApiServices, Depends(services_of)]
