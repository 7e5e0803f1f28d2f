"""``policies/*.yaml``: limits and retries of actions (StackStorm 1.11)."""

from __future__ import annotations

from typing import Any

from st_ops.model.base import Object
from st_ops.model.resources import Policy
from st_ops.packs.kinds.common import Scope, build, open_content
from st_ops.packs.metadata_keys import type_name
from st_ops.packs.problems import Fault, did_you_mean

#: Policy type → the parameters it takes; those in capitals must be there.
POLICY_TYPES: dict[str, tuple[str, ...]] = {
    "action.concurrency": ("THRESHOLD", "action"),
    "action.concurrency.attr": ("THRESHOLD", "action", "attributes"),
    "action.retry": ("RETRY_ON", "max_retry_count", "delay"),
    "action.timeout": ("SECONDS",),
}


def build_policies(value: Any, scope: Scope) -> list[Policy]:
    """The one policy that ``value``, a parsed metadata file, describes. Raises Faulty."""
    content, faults = open_content(value, "policy", "A policy", scope)
    ref = content.get("resource_ref")
    if isinstance(ref, str) and ref and "." not in ref:
        faults.append(Fault(("resource_ref",), f"'{ref}' must be a reference of the form pack.name."))
    kind = content.get("policy_type")
    if isinstance(kind, str) and kind:
        faults += _check_type(kind, content.get("parameters", {}))
    return [build(Policy, content, faults, scope)]


def _check_type(kind: str, parameters: Any) -> list[Fault]:
    if kind not in POLICY_TYPES:
        near = did_you_mean(kind, POLICY_TYPES)
        said = f"There is no policy type '{kind}'.{near} Known are {', '.join(POLICY_TYPES)}."
        return [Fault(("policy_type",), said)]
    if not isinstance(parameters, dict):
        return []
    known = [name.lower() for name in POLICY_TYPES[kind]]
    faults = [
        Fault(("parameters", key), f"{kind} has no parameter '{key}'.{did_you_mean(str(key), known)}")
        for key in parameters
        if key not in known
    ]
    faults += [
        Fault(("parameters",), f"{kind} needs the parameter '{name.lower()}'.")
        for name in POLICY_TYPES[kind]
        if name.isupper() and name.lower() not in parameters
    ]
    return faults + _check_values(parameters)


def _check_values(parameters: Object) -> list[Fault]:
    faults = []
    for name in ("threshold", "max_retry_count"):
        value = parameters.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            said = f"'{name}' must be a whole number from 1 up, not {type_name(value)}."
            faults.append(Fault(("parameters", name), said))
    for name in ("delay", "seconds"):
        value = parameters.get(name)
        if value is not None and (not isinstance(value, int | float) or isinstance(value, bool) or value < 0):
            faults.append(
                Fault(("parameters", name), f"'{name}' must be a number of seconds, not {type_name(value)}.")
            )
    action = parameters.get("action")
    if action is not None and action not in ("delay", "cancel"):
        faults.append(Fault(("parameters", "action"), f"'action' must be delay or cancel, not {action!r}."))
    retry_on = parameters.get("retry_on")
    if retry_on is not None and retry_on not in ("failure", "timeout"):
        faults.append(
            Fault(("parameters", "retry_on"), f"'retry_on' must be failure or timeout, not {retry_on!r}.")
        )
    return faults
