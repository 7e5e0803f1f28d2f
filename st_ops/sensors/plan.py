"""What is to be run for a sensor: made from the registry, and compared to see what changed."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from st_ops.errors import NotFound, UserError
from st_ops.expressions.masking import secret_values
from st_ops.model.base import split_ref
from st_ops.model.events import trigger_ref_for
from st_ops.model.resources import Pack, SensorType
from st_ops.packs.catalog import Snapshot

#: A trigger as add_trigger receives it: id, uid, ref, name, pack, type, parameters (StackStorm 1.5).
Trigger = dict[str, Any]

#: The user sensors run as.
USER = "system"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to run one sensor now."""

    ref: str
    interpreter: str
    pack_path: str
    #: What the child is told (see ``st_ops.sdk.run_sensor``), without its triggers.
    job: Mapping[str, Any]
    #: Texts that must not reach a log.
    secrets: frozenset[str]
    #: Equal for equal plans: another one means that the process must be started anew.
    stamp: str


class Planner:
    """Makes plans. ``interpreter`` gives the path of a pack's Python ("" = ours), ``configs`` its resolved config."""

    def __init__(
        self, interpreter: Callable[[str], str], configs: Callable[[str], Mapping[str, Any]], log_level: str
    ) -> None:
        self._interpreter = interpreter
        self._configs = configs
        self._log_level = log_level

    def plan(self, snapshot: Snapshot, ref: str) -> Plan:
        """The plan of a registered sensor. Raises StOpsError saying why it cannot be run."""
        sensor = snapshot.sensors[ref]
        pack = snapshot.packs.get(sensor.pack)
        if pack is None:
            raise NotFound("pack", sensor.pack, f"Sensor '{ref}' belongs to it.")
        config = dict(self._configs(sensor.pack))
        file = _file(sensor, pack)
        job = {
            "file": str(file), "entry": sensor.class_name, "pack": sensor.pack, "pack_path": pack.path,
            "name": sensor.name, "config": config, "poll_interval": sensor.poll_interval, "user": USER,
            "log_level": self._log_level.upper(),
        }  # fmt: skip
        interpreter = self._python(sensor.pack)
        code = [_version(each) for each in [Path(interpreter), *_code(snapshot, sensor, pack)]]
        identity = json.dumps([job, code], sort_keys=True, default=str)
        return Plan(
            ref=ref, interpreter=interpreter, pack_path=pack.path, job=job,
            secrets=frozenset(secret_values(pack.config_schema, config)),
            stamp=hashlib.sha256(identity.encode()).hexdigest(),
        )  # fmt: skip

    def _python(self, pack: str) -> str:
        interpreter = self._interpreter(pack) or sys.executable
        if not Path(interpreter).is_file():
            raise UserError(
                f"There is no Python {interpreter}: the virtualenv of pack '{pack}' is not built yet."
            )
        return interpreter


def _code(snapshot: Snapshot, sensor: SensorType, pack: Pack) -> list[Path]:
    """The files that ``sensor`` may have imported: its pack's, but for those of other sensors."""
    folder = Path(pack.path) / "sensors"
    files = {file for place in (folder, Path(pack.path) / "lib") for file in place.rglob("*.py")}
    others = {folder / other.entry_point for other in snapshot.sensors.values() if other.pack == sensor.pack}
    return sorted(files - others | {_file(sensor, pack)})


def _version(file: Path) -> tuple[str, int, int]:
    # Of the link, not of what it leads to: a virtualenv built anew has new links to the old Python.
    facts = file.lstat()
    return str(file), facts.st_mtime_ns, facts.st_size


def _file(sensor: SensorType, pack: Pack) -> Path:
    file = Path(pack.path) / "sensors" / sensor.entry_point
    if not file.is_file():
        raise UserError(f"There is no file {file}, which the metadata of sensor '{sensor.ref}' names.")
    return file


def wanted(snapshot: Snapshot) -> list[str]:
    """Refs of the sensors that should run: the enabled ones."""
    return [ref for ref, sensor in snapshot.sensors.items() if sensor.enabled]


def triggers_for(snapshot: Snapshot, ref: str) -> dict[str, Trigger]:
    """Trigger ref → trigger with parameters that enabled rules made of this sensor's trigger types."""
    types = set(snapshot.sensors[ref].trigger_types)
    found = {}
    for rule in snapshot.rules.values():
        if rule.enabled and rule.trigger.type in types and rule.trigger.parameters:
            trigger = _trigger(rule.trigger.type, rule.trigger.parameters)
            found[trigger["ref"]] = trigger
    return found


def _trigger(type_ref: str, parameters: Mapping[str, Any]) -> Trigger:
    ref = trigger_ref_for(type_ref, parameters)
    pack, name = split_ref(ref)
    return {
        # StackStorm's ids are 24 hexadecimal digits; this one is the same on every node and after every restart.
        "id": uuid5(NAMESPACE_URL, ref).hex[:24],
        "uid": f"trigger:{pack}:{name}", "ref": ref, "name": name, "pack": pack, "type": type_ref,
        "parameters": dict(parameters),
    }  # fmt: skip
