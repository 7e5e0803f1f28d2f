"""How an action's parameters become the arguments of a script, locally and over SSH (StackStorm 1.3)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from st_ops.model.resources import Action


def script_arguments(action: Action, parameters: Mapping[str, Any], kwarg_op: str) -> list[str]:
    """The arguments, unquoted: the named ones first (``--name=value``), then those with a ``position``, in its order.

    A positional boolean is 1 or 0, an array its items joined by commas, an object JSON, null an empty argument. Of
    the named ones, true is the bare ``--name``; false, null and "" are left out.
    """
    positions = {
        name: schema["position"]
        for name, schema in action.parameters.items()
        if schema.get("position") is not None
    }
    named = [
        _named(kwarg_op + name, value)
        for name, value in parameters.items()
        if name not in positions and value is not None and value is not False and value != ""
    ]
    ordered = sorted(positions, key=lambda name: positions[name])
    return named + [_positional(parameters.get(name)) for name in ordered]


def _named(option: str, value: object) -> str:
    return option if value is True else f"{option}={value}"


def _positional(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value)
