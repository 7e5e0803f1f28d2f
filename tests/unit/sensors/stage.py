"""A store, a bus and packs of sensors written by a test, and containers on them, some in processes of their own."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from st_ops.bus.kombu_bus import KombuBus
from st_ops.intake.accept import Intake
from st_ops.model.bells import Bell, Topic
from st_ops.model.events import TriggerInstance
from st_ops.model.resources import Pack, Resource, Rule, RuleAction, RuleTrigger, SensorType, TriggerType
from st_ops.model.sensors import Phase, SensorState
from st_ops.packs.catalog import Catalog
from st_ops.security.key_values import KeyValues
from st_ops.security.secrets import SecretBox
from st_ops.sensors.container import SensorContainer
from st_ops.settings import Settings
from st_ops.store import events, migrate, registry
from st_ops.store.database import Database
from tests.waiting import eventually

#: Quick enough for tests, slow enough for a loaded machine.
QUICK = {
    "respawn_seconds": 0.1, "respawn_limit_seconds": 0.4, "lease_seconds": 3.0, "grace_seconds": 3.0,
}  # fmt: skip


class Stage:
    """One platform as far as sensors are concerned."""

    def __init__(self, home: Path, intake_class: type[Intake] = Intake, **sensor_settings: Any) -> None:
        self.home = home
        self.pack_path = home / "packs" / "demo"
        (self.pack_path / "sensors").mkdir(parents=True, exist_ok=True)
        self.settings = Settings(
            home=home,
            sensors={**QUICK, **sensor_settings},
            bus={"sweep_seconds": 0.2},
            logs={"level": "debug"},
        )
        self.database = Database(f"sqlite:///{home / 'st_ops.db'}", synchronous="normal")
        migrate.upgrade(self.database)
        self.bus = KombuBus("memory://", namespace=f"sensors-{os.getpid()}-{home.name}")
        self.catalog = Catalog(self.database)
        self.intake = intake_class(self.database, self.bus, self.catalog)
        self.key_values = KeyValues(self.database, SecretBox.from_file(home / "keys"))
        self.config: dict[str, Any] = {}
        self.containers: list[SensorContainer] = []
        self.bus.open()
        self.intake.open()

    def container(self, **more: Any) -> SensorContainer:
        made = SensorContainer(
            self.database, self.bus, self.catalog, self.intake, self.key_values, self.settings,
            lambda pack: sys.executable, lambda pack: self.config, **more,
        )  # fmt: skip
        made.open()
        self.containers.append(made)
        return made

    def close(self) -> None:
        for container in self.containers:
            container.close()
        self.intake.close()
        self.bus.close()
        self.database.close()

    def register(self, *resources: Resource, schema: Mapping[str, Any] | None = None) -> None:
        """Put resources into the registry, with the pack ``demo``, and ring."""
        pack = Pack(ref="demo", name="demo", path=str(self.pack_path), config_schema=dict(schema or {}))
        with self.database.write() as tx:
            registry.put_pack(tx, pack, "", [])
            registry.put(tx, [(resource, "") for resource in resources])
        self.ring()

    def ring(self) -> None:
        self.bus.publish(Bell(topic=Topic.REGISTRY_CHANGED))

    def write(self, name: str, code: str) -> None:
        """Write ``sensors/<name>.py``."""
        (self.pack_path / "sensors" / f"{name}.py").write_text(textwrap.dedent(code))

    def sensor(self, name: str, code: str, **more: Any) -> None:
        """Write and register the sensor ``demo.<name>``, whose function or class is called ``watch``."""
        self.write(name, code)
        trigger = TriggerType(
            pack="demo", name="seen",
            payload_schema={"type": "object", "properties": {"n": {"type": "integer"}}},
        )  # fmt: skip
        values = {"class_name": "watch", "entry_point": f"{name}.py", "trigger_types": ["demo.seen"], **more}
        self.register(SensorType(pack="demo", name=name, **values), trigger)

    def rule(self, name: str, enabled: bool = True, **parameters: Any) -> None:
        """Register a rule on demo.seen with these trigger parameters."""
        trigger = RuleTrigger(type="demo.seen", parameters=parameters)
        self.register(
            Rule(pack="demo", name=name, enabled=enabled, trigger=trigger, action=RuleAction(ref="core.noop"))
        )

    def events(self, trigger: str = "demo.seen") -> list[TriggerInstance]:
        """What was accepted, oldest first."""
        with self.database.read() as tx:
            return events.find(tx, trigger=trigger, limit=10_000)[0][::-1]

    def payloads(self) -> list[dict[str, Any]]:
        return [event.payload for event in self.events()]

    def state(self, ref: str, container: SensorContainer | None = None) -> SensorState:
        """The state of one sensor in the (first) container."""
        found = {state.ref: state for state in (container or self.containers[0]).states()}
        assert ref in found, found
        return found[ref]

    def running(self, ref: str, container: SensorContainer | None = None, but: int | None = None) -> int:
        """Wait until the sensor runs, under another pid than ``but``, and give its pid."""

        def pid() -> int | None:
            state = self.state(ref, container)
            assert state.phase is Phase.RUNNING, state
            assert state.pid != but
            return state.pid

        found = eventually(pid, what=f"the running of {ref}")
        assert found is not None
        return found


def is_alive(pid: int) -> bool:
    """True while the process exists and is no zombie."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except FileNotFoundError:
        return False
