"""``triggers/*.yaml``, and the trigger types that sensors declare inline (StackStorm 1.5)."""

from __future__ import annotations

from typing import Any

from st_ops.model.base import Object
from st_ops.model.resources import TriggerType
from st_ops.packs.kinds.common import Scope, build, open_content
from st_ops.packs.parameter_schemas import check_schema
from st_ops.packs.problems import Fault, Keys


def build_trigger_types(value: Any, scope: Scope) -> list[TriggerType]:
    """The one trigger type that ``value``, a parsed metadata file, describes. Raises Faulty."""
    return [build_trigger_type(value, scope, ())]


def build_trigger_type(value: Any, scope: Scope, keys: Keys) -> TriggerType:
    """The trigger type in ``value``, which lies at ``keys`` of its file. Raises Faulty."""
    content, faults = open_content(value, "trigger_type", "A trigger type", scope, keys)
    for name in ("payload_schema", "parameters_schema"):
        if isinstance(content.get(name), dict):
            faults += _check_object_schema(content[name], (*keys, name))
    return build(TriggerType, content, faults, scope, keys)


def _check_object_schema(schema: Object, keys: Keys) -> list[Fault]:
    """A schema of an object; StackStorm also takes a bare mapping of names to types, which is let through."""
    if "type" in schema or "properties" in schema:
        return check_schema(schema, keys, strict=False)
    return []
