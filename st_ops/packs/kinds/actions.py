"""``actions/*.yaml``: an action's metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from st_ops.errors import NotFound
from st_ops.model.base import Object
from st_ops.model.resources import Action
from st_ops.model.runner_types import OVERRIDABLE, RUNNER_TYPES, RunnerType, resolve
from st_ops.packs.kinds.common import Scope, build, open_content
from st_ops.packs.kinds.limits import check_limits
from st_ops.packs.kinds.run_limits import check_run_limits
from st_ops.packs.metadata_keys import type_name
from st_ops.packs.parameter_schemas import check_parameters, cleaned
from st_ops.packs.problems import Fault, did_you_mean

#: Runner types that run a file of the pack; the others ignore ``entry_point``.
WITH_FILE = frozenset(
    {
        "local-shell-script",
        "remote-shell-script",
        "python-script",
        "winrm-ps-script",
        "action-chain",
        "orquesta",
    }
)
_NOTIFY_KEYS = ("on-complete", "on-success", "on-failure")


def build_actions(value: Any, scope: Scope) -> list[Action]:
    """The one action that ``value``, a parsed metadata file, describes. Raises Faulty."""
    content, faults = open_content(value, "action", "An action", scope)
    parameters = content.get("parameters")
    if isinstance(parameters, dict):
        faults += check_parameters(parameters, ("parameters",))
    faults += _check_notify(content.get("notify"))
    faults += check_limits(content)
    runner = _runner(content.get("runner_type"), faults)
    if runner is not None:
        content["runner_type"] = runner.name
        faults += check_run_limits(content.get("limits"), runner.name)
        if isinstance(parameters, dict):
            faults += _check_overrides(parameters, runner)
        faults += _check_entry_point(content.get("entry_point", ""), runner, scope)
    if isinstance(parameters, dict) and not faults:
        content["parameters"] = cleaned(parameters)
    return [build(Action, content, faults, scope)]


def _runner(name: Any, faults: list[Fault]) -> RunnerType | None:
    if not isinstance(name, str):
        return None
    try:
        return resolve(name)
    except NotFound:
        known = ", ".join(RUNNER_TYPES)
        near = did_you_mean(name, RUNNER_TYPES)
        faults.append(Fault(("runner_type",), f"There is no runner type '{name}'.{near} Known are {known}."))
        return None


def _check_overrides(parameters: Object, runner: RunnerType) -> list[Fault]:
    """An action may change only some keys of its runner's parameters, and needs a default for what is immutable."""
    faults = []
    for name, schema in parameters.items():
        if not isinstance(schema, dict):
            continue
        own = runner.parameters.get(name)
        for key, value in schema.items():
            if own is not None and key not in OVERRIDABLE and value is not None and own.get(key) != value:
                said = (
                    f"'{name}' is a parameter of the runner {runner.name}; an action may change only its "
                    f"{', '.join(sorted(OVERRIDABLE))}."
                )
                faults.append(Fault(("parameters", name, key), said))
        faults += _check_immutable(name, schema, own, runner)
    return faults


def _check_immutable(name: str, schema: Object, own: Object | None, runner: RunnerType) -> list[Fault]:
    place = ("parameters", name, "immutable")
    if "immutable" not in schema:
        return []
    if own is not None and "immutable" in own:
        return [
            Fault(
                place, f"The runner {runner.name} decides whether '{name}' is immutable; leave the key out."
            )
        ]
    # A runner's optional parameter has null for a default.
    defaulted = "default" in schema or (own is not None and own.get("required") is not True)
    if schema["immutable"] is True and not defaulted:
        return [Fault(place, f"'{name}' is immutable, so it needs a default.")]
    return []


def _check_entry_point(entry_point: Any, runner: RunnerType, scope: Scope) -> list[Fault]:
    if runner.name not in WITH_FILE or not isinstance(entry_point, str):
        return []
    if not entry_point:
        said = f"An action of the runner {runner.name} needs an entry_point: a file below actions/."
        return [Fault((), said)]
    file, _name = split_entry_point(entry_point)
    path = scope.folder / "actions" / file
    if not path.is_file():
        return [Fault(("entry_point",), f"There is no file actions/{file} in the pack.")]
    if not path.resolve().is_relative_to(scope.folder.resolve()):
        return [Fault(("entry_point",), f"actions/{file} lies outside of the pack.")]
    return []


def split_entry_point(entry_point: str) -> tuple[str, str]:
    """``file.py:function`` as (file, function); the function is "" where none is named."""
    file, colon, name = entry_point.rpartition(":")
    return (file, name) if colon and file.endswith(".py") else (entry_point, "")


def entry_of(action: Action, pack_path: str | Path) -> tuple[Path, str]:
    """The absolute file of ``action``'s entry point and the function in it ("" = whatever is found there)."""
    file, name = split_entry_point(action.entry_point)
    return Path(pack_path) / "actions" / file, name


def _check_notify(notify: Any) -> list[Fault]:
    if not isinstance(notify, dict):
        return []
    faults = []
    for key, value in notify.items():
        if key not in _NOTIFY_KEYS:
            near = did_you_mean(str(key), _NOTIFY_KEYS)
            said = f"'notify' has no key '{key}'; it takes {', '.join(_NOTIFY_KEYS)}.{near}"
            faults.append(Fault(("notify", key), said))
        elif not isinstance(value, dict):
            said = f"'{key}' must be a mapping with message, data and routes, not {type_name(value)}."
            faults.append(Fault(("notify", key), said))
    return faults
