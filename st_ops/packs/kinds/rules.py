"""``rules/*.yaml``: which event starts which action (StackStorm 1.6)."""

from __future__ import annotations

from typing import Any

from st_ops.model.base import Object
from st_ops.model.operator_names import OPERATOR_NAMES
from st_ops.model.resources import Rule
from st_ops.packs.kinds.common import Scope, build, open_content
from st_ops.packs.kinds.limits import check_limits
from st_ops.packs.metadata_keys import Vocabulary, check_mapping, type_name
from st_ops.packs.problems import Fault, Faulty, Keys, did_you_mean

_TRIGGER = Vocabulary(
    {"type": "string", "parameters": "mapping", "ref": "string", "description": "string"}, ("type",)
)
_ACTION = Vocabulary({"ref": "string", "parameters": "mapping", "description": "string"}, ("ref",))
_TYPE = Vocabulary({"ref": "string", "parameters": "mapping"}, ("ref",))
_CRITERION = ("type", "pattern", "condition")
_CONDITIONS = ("any", "all", "any2any", "all2any")
_TYPES = ("standard", "backstop")

#: Operators that do not look at the pattern, so that it may be left out.
_WITHOUT_PATTERN = ("exists", "nexists")


def build_rules(value: Any, scope: Scope) -> list[Rule]:
    """The one rule that ``value``, a parsed metadata file, describes. Raises Faulty."""
    content, faults = open_content(value, "rule", "A rule", scope)
    if "trigger" in content:
        content["trigger"] = _part(_known_only(content["trigger"]), _TRIGGER, "trigger", faults)
    if "action" in content:
        content["action"] = _part(content["action"], _ACTION, "action", faults)
    if "type" in content:
        content["type"] = _part(content["type"], _TYPE, "type", faults)
        kind = content["type"].get("ref")
        if isinstance(kind, str) and kind not in _TYPES:
            said = f"There is no rule type '{kind}'; it is {' or '.join(_TYPES)}.{did_you_mean(kind, _TYPES)}"
            faults.append(Fault(("type", "ref"), said))
    for part in ("trigger.type", "action.ref"):
        faults += _check_ref(content, part)
    faults += check_limits(content)
    criteria = content.get("criteria")
    if isinstance(criteria, dict):
        faults += check_criteria(criteria, ("criteria",))
        content["criteria"] = {str(key): item for key, item in criteria.items()}
    return [build(Rule, content, faults, scope)]


def _part(value: Any, vocabulary: Vocabulary, key: str, faults: list[Fault]) -> Object:
    try:
        content, found = check_mapping(value, vocabulary, (key,), f"'{key}'")
    except Faulty:  # not a mapping: already said of the key itself
        return {}
    faults += found
    return content


def _known_only(trigger: Any) -> Any:
    """StackStorm lets a trigger carry any key; only one that looks like a slip of the pen is worth a word."""
    if not isinstance(trigger, dict):
        return trigger
    known = _TRIGGER.types
    return {key: item for key, item in trigger.items() if key in known or did_you_mean(str(key), known)}


def _check_ref(content: Object, part: str) -> list[Fault]:
    outer, inner = part.split(".")
    ref = content.get(outer, {}).get(inner) if isinstance(content.get(outer), dict) else None
    if isinstance(ref, str) and ref and "." not in ref:
        return [Fault((outer, inner), f"'{ref}' must be a reference of the form pack.name.")]
    return []


def check_criteria(criteria: Object, keys: Keys) -> list[Fault]:
    """What is wrong with ``criteria``: ``path[#suffix]`` → ``{type, pattern, condition}``."""
    faults: list[Fault] = []
    for path, criterion in criteria.items():
        place = (*keys, path)
        if not isinstance(criterion, dict):
            said = f"A criterion must be a mapping with type and pattern, not {type_name(criterion)}."
            faults.append(Fault(place, said))
            continue
        faults += _check_criterion(criterion, place)
    return faults


def _check_criterion(criterion: Object, keys: Keys) -> list[Fault]:
    faults = [
        Fault((*keys, key), f"A criterion has no key '{key}'.{did_you_mean(str(key), _CRITERION)}")
        for key in criterion
        if key not in _CRITERION
    ]
    operator = criterion.get("type")
    if not isinstance(operator, str):
        said = "A criterion needs 'type', the name of an operator such as equals or regex."
        return [*faults, Fault((*keys, "type") if "type" in criterion else keys, said)]
    name = operator.lower()
    if name not in OPERATOR_NAMES or (name == "search" and operator != "search"):
        said = f"There is no operator '{operator}'.{did_you_mean(name, OPERATOR_NAMES)}"
        faults.append(Fault((*keys, "type"), said))
    if criterion.get("pattern") is None and name not in _WITHOUT_PATTERN:
        faults.append(Fault(keys, f"The operator '{operator}' needs a 'pattern' to compare with."))
    if name == "search":
        faults += _check_search(criterion, keys)
    return faults


def _check_search(criterion: Object, keys: Keys) -> list[Fault]:
    condition = criterion.get("condition")
    faults = []
    if condition not in _CONDITIONS:
        said = f"The operator 'search' needs a 'condition': one of {', '.join(_CONDITIONS)}."
        faults.append(Fault((*keys, "condition") if "condition" in criterion else keys, said))
    if isinstance(criterion.get("pattern"), dict):
        return faults + check_criteria(criterion["pattern"], (*keys, "pattern"))
    said = "The pattern of 'search' must be a mapping of criteria over item.…"
    return [*faults, Fault((*keys, "pattern"), said)]
