"""Which keys each kind of metadata file has, and of which type (StackStorm 1.1 to 1.12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from st_ops.model.base import Object
from st_ops.model.resources import KINDS
from st_ops.packs.problems import Fault, Faulty, Keys, did_you_mean

#: Name of a type in metadata → the Python types it is parsed to. A boolean is never a number here.
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float),
    "list": (list,),
    "mapping": (dict,),
    "anything": (object,),
}
_TYPE_NAMES = {
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
}

#: Keys that StackStorm computes itself and tolerates in every file.
_COMPUTED = {"id": "anything", "uid": "anything", "ref": "string", "metadata_file": "string"}


@dataclass(frozen=True)
class Vocabulary:
    """The keys of one kind: name → type, and which must be there."""

    types: Mapping[str, str]
    required: tuple[str, ...]


def _kind(kind: str, required: tuple[str, ...], **types: str) -> Vocabulary:
    """The given StackStorm keys, plus st_ops' own, which are whatever else the model of ``kind`` has."""
    own = dict.fromkeys(KINDS[kind].model_fields, "anything")
    return Vocabulary({**own, **_COMPUTED, "name": "string", "pack": "string", **types}, required)


_COMMON = {"description": "string", "enabled": "boolean", "tags": "list"}

VOCABULARIES: dict[str, Vocabulary] = {
    "action": _kind(
        "action",
        ("name", "runner_type"),
        **_COMMON,
        runner_type="string",
        entry_point="string",
        parameters="mapping",
        output_schema="mapping",
        notify="mapping",
        idempotent="boolean",
        probe="string",
        queue="string",
        needs="list",
        priority="number",
        limits="mapping",
        concurrency="mapping",
        retry="mapping",
        rate="string",
        require="anything",
    ),
    "rule": _kind(
        "rule",
        ("name", "trigger", "action"),
        **_COMMON,
        type="mapping",
        trigger="mapping",
        criteria="mapping",
        action="mapping",
        context="mapping",
        concurrency="mapping",
        run_key="string",
        queue="string",
        needs="list",
    ),
    "sensor": _kind(
        "sensor",
        ("class_name", "entry_point"),
        **_COMMON,
        class_name="string",
        entry_point="string",
        poll_interval="number",
        trigger_types="list",
        artifact_uri="string",
    ),
    "trigger_type": _kind(
        "trigger_type", ("name",), **_COMMON, payload_schema="mapping", parameters_schema="mapping"
    ),
    "alias": _kind(
        "alias",
        ("name", "action_ref", "formats"),
        **_COMMON,
        action_ref="string",
        formats="list",
        ack="mapping",
        result="mapping",
        extra="mapping",
        immutable_parameters="mapping",
    ),
    "policy": _kind(
        "policy",
        ("name", "resource_ref", "policy_type"),
        **_COMMON,
        resource_ref="string",
        policy_type="string",
        parameters="mapping",
    ),
}


def check_mapping(value: Any, vocabulary: Vocabulary, keys: Keys, what: str) -> tuple[Object, list[Fault]]:
    """``value`` without its null keys, and what is wrong with its keys. Raises Faulty when it is no mapping.

    A key that is null counts as left out, as in StackStorm.
    """
    if not isinstance(value, dict):
        raise Faulty([Fault(keys, f"{what} must be a mapping of keys to values, not {type_name(value)}.")])
    content = {key: item for key, item in value.items() if item is not None}
    faults = [
        Fault((*keys, key), f"{what} has no key '{key}'.{did_you_mean(str(key), vocabulary.types)}")
        for key in content
        if key not in vocabulary.types
    ]
    for key, item in content.items():
        wanted = vocabulary.types.get(key, "anything")
        if not is_type(item, wanted):
            faults.append(Fault((*keys, key), f"'{key}' must be {_article(wanted)}, not {type_name(item)}."))
    faults += [
        Fault(keys, f"{what} needs the key '{key}' ({_article(vocabulary.types[key])}).")
        for key in vocabulary.required
        if content.get(key, "") == ""
    ]
    return content, faults


def is_type(value: Any, wanted: str) -> bool:
    """True when ``value`` is of the metadata type ``wanted``."""
    if isinstance(value, bool) and wanted == "number":
        return False
    return isinstance(value, _TYPES[wanted])


def type_name(value: Any) -> str:
    """What ``value`` is, for a sentence, with a short value shown: ``a number (3)``."""
    if value is None:
        return "empty"
    name = _TYPE_NAMES.get(type(value), f"a {type(value).__name__}")
    return name if isinstance(value, (dict, list)) else f"{name} ({str(value)[:40]!r})"


def _article(wanted: str) -> str:
    return "anything" if wanted == "anything" else f"a {wanted}"
