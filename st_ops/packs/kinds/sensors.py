"""``sensors/*.yaml``: a sensor's metadata (StackStorm 1.5)."""

from __future__ import annotations

from typing import Any

from st_ops.model.base import ref_of
from st_ops.model.resources import Resource, SensorType, TriggerType
from st_ops.packs.kinds.common import Scope, build, open_content
from st_ops.packs.kinds.triggers import build_trigger_type
from st_ops.packs.metadata_keys import is_type, type_name
from st_ops.packs.problems import Fault, Faulty


def build_sensors(value: Any, scope: Scope) -> list[Resource]:
    """The sensor that ``value``, a parsed metadata file, describes, and the trigger types in it. Raises Faulty."""
    content, faults = open_content(value, "sensor", "A sensor", scope)
    listed = content.get("trigger_types")
    types, refs = _trigger_types(listed if isinstance(listed, list) else [], scope, faults)
    interval = content.get("poll_interval")
    if is_type(interval, "number") and interval is not None and interval <= 0:
        faults.append(Fault(("poll_interval",), "'poll_interval' must be above 0 seconds."))
    entry_point = content.get("entry_point")
    if (
        isinstance(entry_point, str)
        and entry_point
        and not (scope.folder / "sensors" / entry_point).is_file()
    ):
        said = f"There is no file sensors/{entry_point} in the pack."
        faults.append(Fault(("entry_point",), said))
    content["trigger_types"] = refs
    content.setdefault("name", content.get("class_name", ""))
    return [build(SensorType, content, faults, scope), *types]


def _trigger_types(
    listed: list[Any], scope: Scope, faults: list[Fault]
) -> tuple[list[TriggerType], list[str]]:
    """The inline trigger types, and the refs of all that are listed."""
    types, refs = [], []
    for index, item in enumerate(listed):
        place = ("trigger_types", index)
        if isinstance(item, str):
            refs.append(item if "." in item else ref_of(scope.pack, item))
        elif isinstance(item, dict):
            try:
                types.append(build_trigger_type(item, scope, place))
                refs.append(types[-1].ref)
            except Faulty as error:
                faults += error.faults
        else:
            said = f"A trigger type must be a reference or a mapping with a name, not {type_name(item)}."
            faults.append(Fault(place, said))
    return types, refs
