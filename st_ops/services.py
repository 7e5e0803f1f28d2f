"""The composition root: builds each stage from the settings, opens them in order, closes them in reverse.

``Platform`` is the whole program, or some stages of it.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from st_ops.api.services import ApiServices
from st_ops.artifacts.keeping import Artifacts
from st_ops.bus.kombu_bus import KombuBus
from st_ops.executions.console import OutputWriter
from st_ops.executions.inquiries import Inquiries
from st_ops.executions.jobs import Jobs
from st_ops.executions.lifecycle import Lifecycle
from st_ops.executions.limits import Limits
from st_ops.executions.lost import Reaper
from st_ops.executions.orders import Orders
from st_ops.executions.parameters import ParameterRendering
from st_ops.executions.requests import Requests
from st_ops.executions.retention import Retention
from st_ops.executions.rooms import Rooms
from st_ops.executions.running import Running
from st_ops.executions.services import ActionServices
from st_ops.executions.worker import Worker
from st_ops.expressions.jinja import Templates
from st_ops.home import Home
from st_ops.intake.accept import Intake
from st_ops.intake.sources import SOURCES
from st_ops.metrics import Metrics
from st_ops.metrics_server import MetricsServer
from st_ops.model.base import Object
from st_ops.model.events import TriggerInstance
from st_ops.model.executions import Execution
from st_ops.model.identity import now
from st_ops.model.resources import Rule
from st_ops.packs.catalog import Catalog
from st_ops.packs.configs import Configs
from st_ops.packs.discover import shipped_packs
from st_ops.packs.environments import Environments
from st_ops.packs.registrar import Registrar
from st_ops.packs.virtualenvs import Virtualenvs
from st_ops.packs.watch import PackWatcher
from st_ops.rules.engine import RulesEngine
from st_ops.rules.explain import explain
from st_ops.runners.options import RunnerOptions, SshOptions
from st_ops.runners.registry import Runners
from st_ops.schedules.engine import ScheduleEngine
from st_ops.security.key_values import KeyValues
from st_ops.security.secrets import SecretBox
from st_ops.security.tokens import Tokens
from st_ops.sensors.container import SensorContainer
from st_ops.settings import Settings
from st_ops.store.database import Database
from st_ops.store.migrate import upgrade
from st_ops.workflows.definitions import Definitions
from st_ops.workflows.engine import WorkflowEngine
from st_ops.workflows.live import LiveWorkflows
from st_ops.workflows.rendering import Rendering
from st_ops.workflows.secrets import Secrets
from st_ops.workflows.starting import Starting

log = logging.getLogger(__name__)

#: Every stage, in the order they are opened: those that take work before those that bring it.
STAGES = ("runner", "workflows", "rules", "schedules", "sensors", "api")


class Part(Protocol):
    """Anything that is opened once and closed once."""

    def open(self) -> None:
        """Start."""

    def close(self) -> None:
        """Stop. Idempotent."""


class Platform:
    """Builds the parts; ``open`` starts those that the given stages need."""

    def __init__(self, settings: Settings, stages: Sequence[str] = STAGES, *, dev: bool = False) -> None:
        """``dev``: packs are registered again whenever a file of theirs changes on disk."""
        self.settings = settings
        self.stages = tuple(stages)
        self.dev = dev
        self.home = Home(settings.home)
        self.home.make()
        #: Where actions find the API.
        self.url = settings.server.url.rstrip("/") or f"http://{settings.server.bind}:{settings.server.port}"
        self.database = Database(
            settings.store_url, synchronous=settings.store.synchronous, pool_size=settings.store.pool_size
        )
        self.bus = KombuBus(settings.bus.url)
        self.box = SecretBox.from_file(self.home.key_file)
        self.tokens = Tokens(self.database, self.box.signing_key)
        self.key_values = KeyValues(self.database, self.box)
        self.artifacts = Artifacts(settings.artifacts, self.home.folder / "artifacts")
        self.catalog = Catalog(self.database)
        self.configs = Configs(self.catalog, settings.configs_dir, self._config_value)
        self.environments = Environments(Virtualenvs(settings.home / "virtualenvs"), self.catalog, self.bus)
        roots = [Path(folder).expanduser() for folder in settings.packs.dirs]
        self.registrar = Registrar(self.database, self.bus, [*roots, shipped_packs()])
        self.metrics = Metrics()
        self.intake = Intake(self.database, self.bus, self.catalog, self.metrics)
        self.limits = Limits(Templates(self.key_values.decrypt))
        self.lifecycle = Lifecycle(self.database, self.bus, self.catalog, self.limits, self.metrics)
        self.parameters = ParameterRendering(self.key_values, self.box, self.configs, self.configs.secrets)
        self.requests = Requests(
            self.database, self.bus, self.catalog, self.lifecycle, self.parameters, self.limits
        )
        self.orders = Orders(self.database, self.bus, self.lifecycle)
        self.inquiries = Inquiries(
            self.database, self.bus, self.lifecycle, self.box, settings.bus.sweep_seconds
        )
        self.worker: Worker | None = None
        self.sensors: SensorContainer | None = None
        self._stack = ExitStack()

    def open(self) -> None:
        """Migrate, register the packs, start the stages. What was opened is closed again when something fails."""
        with ExitStack() as stack:
            stack.callback(self.database.close)
            upgrade(self.database)
            self.tokens.adopt(self.home.admin_token(), "admin", admin=True)
            self._enter(stack, self.bus)
            if "api" in self.stages or "sensors" in self.stages:
                self.registrar.reload()
            self.catalog.current()
            self._enter(stack, self.intake)
            stack.callback(self.requests.close)
            if "api" not in self.stages and self.settings.metrics.port:
                self._enter(stack, MetricsServer(self.metrics, self.database, self.settings.metrics))
            self._enter(stack, Retention(self.database, self.settings.retention, self.artifacts.remove))
            if "runner" in self.stages or "sensors" in self.stages:
                self._enter(stack, self.environments)
            for stage in (stage for stage in STAGES if stage in self.stages):
                for part in self._stage(stage):
                    self._enter(stack, part)
                    log.info("Stage part opened: %s of %s.", type(part).__name__, stage)
            if self.dev:
                watcher = PackWatcher(self.registrar.roots, self.registrar.folders, self._reload)
                watcher.start()
                stack.callback(watcher.stop)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Close everything in reverse order. Idempotent."""
        self._stack.close()

    def api_services(self) -> ApiServices:
        """The collaborators of the API."""
        templates = Templates(self.key_values.decrypt)

        def test_rule(rule: Rule, instance: TriggerInstance) -> Mapping[str, Any]:
            return explain(
                rule, instance.trigger, instance.payload, self.key_values.lookup, now(), templates
            ).model_dump()

        return ApiServices(
            settings=self.settings, database=self.database, bus=self.bus, catalog=self.catalog, intake=self.intake,
            requests=self.requests, orders=self.orders, tokens=self.tokens, key_values=self.key_values, box=self.box,
            packs=self.registrar, test_rule=test_rule, metrics=self.metrics, sources=SOURCES,
            artifacts=self.artifacts, inquiries=self.inquiries,
        )  # fmt: skip

    def _enter(self, stack: ExitStack, part: Part) -> None:
        part.open()
        stack.callback(part.close)

    def _stage(self, stage: str) -> Sequence[Part]:
        builders: dict[str, Callable[[], Sequence[Part]]] = {
            "runner": self._runner_stage,
            "workflows": self._workflow_stage,
            "rules": self._rules_stage,
            "schedules": lambda: [
                ScheduleEngine(self.database, self.bus, self.catalog, self.intake, self.settings)
            ],
            "sensors": self._sensor_stage,
            "api": list,
        }
        return builders[stage]()

    def _runner_stage(self) -> Sequence[Part]:
        settings = self.settings.worker
        writer = OutputWriter(self.database, self.bus)
        rooms = Rooms(self.home.folder / "runs", self.database, self.artifacts)
        services = ActionServices(self.key_values, self.intake, self.bus, rooms)
        ssh = self.settings.ssh
        options = RunnerOptions(
            grace_seconds=settings.grace_seconds, output_bytes=settings.output_bytes,
            result_bytes=settings.result_bytes, tools=str(self.home.tools()), limits=self.settings.limits.model_dump(),
            container_engine=self.settings.containers.engine,
            ssh=SshOptions(
                known_hosts=ssh.known_hosts, key=ssh.key, user=ssh.user, parallel=ssh.parallel,
                allow_partial_failure=ssh.allow_partial_failure, check_host_keys=ssh.check_host_keys,
            ),
        )  # fmt: skip
        runners = Runners(options, services)
        jobs = Jobs(
            self.catalog,
            self.parameters,
            self.tokens,
            lambda: self.url,
            self.configs,
            self.configs.secrets,
            self.environments.for_run,
            self.limits,
            self.box,
        )
        sweep = self.settings.bus.sweep_seconds
        running = Running(jobs, runners, rooms, writer, settings)
        self.worker = Worker(
            self.database,
            self.bus,
            self.catalog,
            self.lifecycle,
            running,
            writer,
            settings,
            sweep,
            self.metrics,
        )
        self.requests.hand_to(self.worker)
        reaper = Reaper(self.database, self.bus, self.lifecycle, lease_seconds=settings.lease_seconds)
        return [_Closing(runners.close), rooms, writer, self.worker, reaper, self.inquiries]

    def _workflow_stage(self) -> Sequence[Part]:
        rendering = Rendering(Templates(self.key_values.decrypt))
        definitions = Definitions()
        live = LiveWorkflows(definitions, rendering, self.box)
        starting = Starting(definitions, live, self._run_values, self.parameters.hidden_in, lambda: self.url)
        secrets = Secrets(self.box, self.configs.secrets)
        return [WorkflowEngine(
            self.database, self.bus, self.catalog, self.lifecycle, self.requests, self.key_values, self.configs,
            secrets, live, starting, self.settings.worker, self.settings.bus.sweep_seconds, self.metrics,
        )]  # fmt: skip

    def _run_values(self, execution: Execution) -> Object:
        action = self.catalog.cached().action(execution.action)
        return self.parameters.for_run(
            action, execution.parameters, user=execution.user, context=execution.context
        )

    def _rules_stage(self) -> Sequence[Part]:
        return [RulesEngine(
            self.database, self.bus, self.catalog, self.requests, self.key_values, self.configs,
            self.settings.rules, self.settings.worker, self.settings.bus.sweep_seconds, self.metrics,
        )]  # fmt: skip

    def _sensor_stage(self) -> Sequence[Part]:
        if not self.settings.sensors.enabled:
            return []
        self.sensors = SensorContainer(
            self.database,
            self.bus,
            self.catalog,
            self.intake,
            self.key_values,
            self.settings,
            self.environments.at_once,
            self.configs,
        )
        return [self.sensors]

    def _config_value(self, scope: str, name: str, *, decrypt: bool) -> str | None:
        found = self.key_values.get(name, scope=f"st2kv.{scope}", user="", decrypt=decrypt)
        return None if found is None else found.value

    def _reload(self, refs: set[str]) -> None:
        self.registrar.reload(sorted(refs))


class _Closing:
    """A part that needs only closing."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close

    def open(self) -> None:
        """Nothing to start."""

    def close(self) -> None:
        """Close it."""
        self._close()


def listening_socket(bind: str, port: int) -> socket.socket:
    """A bound TCP socket. Raises OSError when the address is taken."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((bind, port))
    return made
