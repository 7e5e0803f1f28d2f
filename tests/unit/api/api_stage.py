"""The API over real parts (SQLite, the memory bus, intake, requests), served over HTTP on loopback."""

from __future__ import annotations

import socket
import textwrap
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import uvicorn

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
from st_ops.intake.sources import SOURCES
from st_ops.metrics import Metrics
from st_ops.model.events import TriggerInstance
from st_ops.model.resources import Rule
from st_ops.model.status import Status
from st_ops.packs.catalog import Catalog
from st_ops.packs.registrar import Registrar
from st_ops.security.key_values import KeyValues
from st_ops.security.secrets import SecretBox
from st_ops.security.tokens import Tokens
from st_ops.settings import ArtifactSettings, Settings
from st_ops.store import migrate
from st_ops.store.database import Database
from st_ops.store.executions import Move

#: Files of the packs that these tests work with: path → text.
PACKS = {
    "core/pack.yaml": "name: core\ndescription: Basics.\nversion: 1.0.0\nauthor: tests\n",
    "core/actions/noop.yaml": "name: noop\nrunner_type: noop\n",
    "core/actions/local.yaml": """\
        name: local
        description: Runs a command.
        runner_type: local-shell-cmd
        parameters:
          cmd:
            required: true
    """,
    "core/triggers/webhook.yaml": """\
        name: st2.webhook
        parameters_schema: {type: object, properties: {url: {type: string}}}
        payload_schema: {type: object}
    """,
    "monitoring/pack.yaml": "name: monitoring\ndescription: Alerts.\nversion: 1.0.0\nauthor: tests\n",
    "monitoring/triggers/alertmanager.yaml": "name: alertmanager\n",
    "demo/pack.yaml": "name: demo\ndescription: For tests.\nversion: 0.1.0\nauthor: tests\n",
    "demo/actions/greet.yaml": """\
        name: greet
        description: Says hello.
        runner_type: noop
        tags: [{name: kind, value: polite}]
        parameters:
          name: {type: string, required: true, description: Whom to greet.}
          times: {type: integer, default: 1}
          loud: {type: boolean, default: false}
          extra: {type: object}
          names: {type: array}
          pin: {type: string, secret: true}
    """,
    "demo/triggers/thing.yaml": """\
        name: thing
        payload_schema: {type: object, properties: {size: {type: integer}}, required: [size]}
    """,
    "demo/rules/on_hook.yaml": """\
        name: on_hook
        enabled: true
        trigger: {type: core.st2.webhook, parameters: {url: hook/one}}
        criteria: {trigger.body.level: {type: equals, pattern: high}}
        action: {ref: demo.greet, parameters: {name: "{{ trigger.body.who }}"}}
    """,
    "demo/rules/on_thing.yaml": """\
        name: on_thing
        description: Off at first.
        trigger: {type: demo.thing}
        action: {ref: core.noop}
    """,
    "demo/sensors/watch.yaml": """\
        class_name: Watch
        entry_point: watch.py
        trigger_types: [{name: watched}]
    """,
    "demo/sensors/watch.py": "class Watch:\n    pass\n",
    "demo/policies/one.yaml": """\
        name: one
        resource_ref: demo.greet
        policy_type: action.concurrency
        parameters: {threshold: 1}
    """,
    "demo/aliases/hello.yaml": "name: hello\naction_ref: demo.greet\nformats: ['hello {{name}}']\n",
}


def write_packs(folder: Path, files: Mapping[str, str]) -> None:
    """Write files of packs below ``folder``."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


class ApiStage:
    """One platform as far as the API is concerned, and a client that is its administrator."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.home = home
        self.packs = home / "packs"
        write_packs(self.packs, PACKS)
        self.settings = Settings(home=home, bus={"sweep_seconds": 0.2}, **settings)
        self.database = Database(f"sqlite:///{home / 'st_ops.db'}", synchronous="normal")
        migrate.upgrade(self.database)
        self.bus = KombuBus("memory://", namespace=f"api-{home.name}")
        self.catalog = Catalog(self.database)
        self.metrics = Metrics()
        self.intake = Intake(self.database, self.bus, self.catalog, self.metrics)
        self.box = SecretBox.from_file(home / "keys")
        self.tokens = Tokens(self.database, self.box.signing_key)
        self.key_values = KeyValues(self.database, self.box)
        limits = Limits(Templates())
        self.lifecycle = Lifecycle(self.database, self.bus, self.catalog, limits, self.metrics)
        parameters = ParameterRendering(self.key_values, self.box, lambda pack: {})
        self.requests = Requests(self.database, self.bus, self.catalog, self.lifecycle, parameters, limits)
        self.inquiries = Inquiries(self.database, self.bus, self.lifecycle, self.box, 60)
        self.registrar = Registrar(self.database, self.bus, [self.packs])
        self.artifacts = Artifacts(ArtifactSettings(), home / "artifacts")
        self.broken: list[str] = []
        self.app = create_app(
            ApiServices(
                settings=self.settings,
                database=self.database,
                bus=self.bus,
                catalog=self.catalog,
                intake=self.intake,
                requests=self.requests,
                orders=Orders(self.database, self.bus, self.lifecycle),
                tokens=self.tokens,
                key_values=self.key_values,
                box=self.box,
                packs=self.registrar,
                test_rule=_test_rule,
                metrics=self.metrics,
                artifacts=self.artifacts,
                inquiries=self.inquiries,
                sources=SOURCES,
            )
        )
        self._start()

    def _start(self) -> None:
        self.bus.open()
        self.intake.open()
        self.registrar.reload()
        self.catalog.current()
        self.admin_token = self.tokens.issue("admin", admin=True)
        self.user_token = self.tokens.issue("ada")
        bound = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        config = uvicorn.Config(self.app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [bound]}, daemon=True)
        self._thread.start()
        self.admin = self.client(self.admin_token)
        self.user = self.client(self.user_token)
        self.nobody = self.client(None)

    def client(self, token: str | None) -> httpx.Client:
        """A client of the API with this token."""
        headers = {} if token is None else {"X-Auth-Token": token}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20, trust_env=False)

    def finish(self, execution_id: str, result: Any, status: Status = Status.SUCCEEDED) -> None:
        """Let an execution run and end, as a worker would."""
        self.lifecycle.move([Move(execution_id=execution_id, status=Status.RUNNING)])
        self.lifecycle.move([Move(execution_id=execution_id, status=status, result=result)])

    def close(self) -> None:
        """Stop everything."""
        for client in (self.admin, self.user, self.nobody):
            client.close()
        self._server.should_exit = True
        self._thread.join(10)
        self.intake.close()
        self.bus.close()
        self.database.close()


def _test_rule(rule: Rule, instance: TriggerInstance) -> Mapping[str, Any]:
    return {"rule_ref": rule.ref, "matched": True, "trigger": instance.trigger, "payload": instance.payload}
