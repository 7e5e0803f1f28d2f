"""Actions and sensors that a pack defines in Python alone, read without importing them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from st_ops.model.base import Object
from st_ops.model.resources import Action, Resource, SensorType
from st_ops.packs.kinds.actions import build_actions
from st_ops.packs.kinds.common import Scope, build
from st_ops.packs.kinds.triggers import build_trigger_type
from st_ops.packs.problems import Fault, Faulty
from st_ops.sdk.declarations import Declaration, read


def build_python(path: Path, scope: Scope) -> tuple[list[Resource], list[Fault]]:
    """The resources that the file ``path`` declares, and the faults of those that are not right. Raises Faulty."""
    try:
        declarations, unreadable = read(path.read_text("utf-8"), str(path))
    except SyntaxError as error:
        raise Faulty([Fault((), f"This is not Python: {error.msg}.", error.lineno)]) from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise Faulty([Fault((), f"The file cannot be read: {error}.")]) from error
    faults = [Fault((fault.key,) if fault.key else (), str(fault), fault.line) for fault in unreadable]
    resources: list[Resource] = []
    for declaration in declarations:
        try:
            resources += _resources(declaration, path, scope)
        except Faulty as error:
            faults += [Fault(f.keys, f.message, declaration.line, f.severity) for f in error.faults]
    return resources, faults


def _resources(declaration: Declaration, path: Path, scope: Scope) -> list[Resource]:
    if declaration.kind == "action":
        return list(_action(declaration, path, scope))
    return _sensor(declaration, path, scope)


def _action(declaration: Declaration, path: Path, scope: Scope) -> list[Action]:
    options = dict(declaration.options)
    parameters: Object = dict(declaration.parameters)
    timeout = options.pop("timeout", None)
    if timeout is not None:
        parameters["timeout"] = {"default": timeout}
    content = {
        "name": declaration.name,
        "description": declaration.description,
        "runner_type": "python-script",
        "entry_point": f"{path.relative_to(scope.folder / 'actions')}:{declaration.function}",
        "parameters": parameters,
        **options,
    }
    return build_actions(content, scope)


def _sensor(declaration: Declaration, path: Path, scope: Scope) -> list[Resource]:
    options = dict(declaration.options)
    triggers = options.pop("triggers", [])
    types = [build_trigger_type(item, scope, ()) for item in _inline(triggers)]
    names = list(triggers) if isinstance(triggers, (dict, list)) else [triggers]
    content = {
        "name": declaration.name,
        "description": declaration.description,
        "class_name": declaration.function,
        "entry_point": str(path.relative_to(scope.folder / "sensors")),
        "poll_interval": declaration.every,
        "trigger_types": [name if "." in name else f"{scope.pack}.{name}" for name in map(str, names)],
        **options,
    }
    return [build(SensorType, content, [], scope), *types]


def _inline(triggers: Any) -> Iterable[Object]:
    if not isinstance(triggers, dict):
        return []
    return [{"name": name, **(spec or {})} for name, spec in triggers.items()]
