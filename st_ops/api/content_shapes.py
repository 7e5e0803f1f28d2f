"""What packs contribute, as StackStorm's clients know it (reference, part 2): id, uid and ref beside the metadata.

``id`` is the database's where the caller has it, else the ref, which every route accepts as well.
"""

from __future__ import annotations

from typing import Any

from st_ops.api.masking import Mask
from st_ops.model.resources import Action, Alias, Pack, Policy, Resource, Rule, SensorType, TriggerType
from st_ops.model.runner_types import RunnerType

#: Keys of ours that would only be noise while they have their defaults.
_OWN_ACTION_KEYS = (
    "idempotent", "probe", "queue", "needs", "priority", "limits", "concurrency", "retry", "rate",
    "require",
)  # fmt: skip
_DEFAULTS = {key: Action.model_fields[key].get_default(call_default_factory=True) for key in _OWN_ACTION_KEYS}


def _base(item: Resource, uid_type: str, identifier: str) -> dict[str, Any]:
    return {
        "id": identifier or item.ref,
        "uid": f"{uid_type}:{item.pack}:{item.name}",
        "ref": item.ref,
        **item.model_dump(),
    }


def action_shape(item: Action, mask: Mask, identifier: str = "") -> dict[str, Any]:
    """An action."""
    shape = _base(item, "action", identifier)
    shape["parameters"] = mask.defaults(item.parameters)
    return {
        key: value for key, value in shape.items() if key not in _OWN_ACTION_KEYS or value != _DEFAULTS[key]
    }


def rule_shape(item: Rule, mask: Mask, identifier: str = "") -> dict[str, Any]:
    """A rule."""
    return dict(mask.value(_base(item, "rule", identifier)))


def trigger_type_shape(item: TriggerType, mask: Mask, identifier: str = "") -> dict[str, Any]:
    """A trigger type."""
    return _base(item, "trigger_type", identifier)


def sensor_shape(item: SensorType, mask: Mask, identifier: str = "") -> dict[str, Any]:
    """A sensor type; its trigger types as refs."""
    shape = _base(item, "sensor_type", identifier)
    shape["trigger_types"] = [
        name if name.startswith(f"{item.pack}.") else f"{item.pack}.{name}" for name in item.trigger_types
    ]
    return shape


def policy_shape(item: Policy, mask: Mask, identifier: str = "") -> dict[str, Any]:
    """A policy."""
    return _base(item, "policy", identifier)


def alias_shape(item: Alias, mask: Mask, identifier: str = "") -> dict[str, Any]:
    """An action alias."""
    return _base(item, "action_alias", identifier)


def runner_shape(item: RunnerType, mask: Mask) -> dict[str, Any]:
    """A runner type; its id is its name."""
    shape = item.model_dump(exclude={"parameters"})
    return {"id": item.name, "uid": item.uid, **shape, "runner_parameters": mask.defaults(item.parameters)}


def pack_shape(item: Pack, identifier: str = "", **more: Any) -> dict[str, Any]:
    """A pack; ``more`` are facts such as its problems. Where it lies on the server's disk is not told."""
    shape = item.model_dump(exclude={"extra", "config_schema", "path"})
    return {"id": identifier or item.ref, "uid": f"pack:{item.ref}", **item.extra, **shape, **more}
