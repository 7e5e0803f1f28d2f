"""A pack's config: ``configs/<pack>.yaml``, completed from its schema and the key-value store (StackStorm 1.1)."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from jsonschema import Draft4Validator

from st_ops.expressions.parameter_schema import draft4
from st_ops.model.base import Object
from st_ops.model.resources import Pack
from st_ops.packs.metadata_keys import type_name
from st_ops.packs.problems import Fault, Faulty, Keys, Problem, did_you_mean, dotted
from st_ops.packs.yaml_lines import Document, read

#: ``{{ st2kv.system.name }}``, with an optional ``| decrypt_kv``, anywhere in a text.
_REFERENCE = re.compile(r"\{\{\s*st2kv\.(system|user)\.([\w.:\-]+?)\s*(\|\s*decrypt_kv\s*)?\}\}")


class Lookup(Protocol):
    """Where ``{{ st2kv.… }}`` in a config finds its values."""

    def __call__(self, scope: str, name: str, *, decrypt: bool) -> str | None:
        """The text of key ``name`` in ``scope`` (system or user), in the clear when ``decrypt``; None when absent."""


@dataclass(frozen=True)
class Config:
    """A pack's resolved config, and what is wrong with its file (``path`` in problems is the file's)."""

    values: Object = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def config_file(configs: Path, pack: str) -> Path:
    """Where the config of ``pack`` lies in the folder ``configs``."""
    return configs / f"{pack}.yaml"


def resolve_config(pack: Pack, configs: Path, lookup: Lookup) -> Config:
    """The config of ``pack``: its file, key-values looked up, defaults filled in, checked against the schema.

    A value that cannot be resolved or breaks the schema is a problem with file, line and key; the others are there.
    """
    path = config_file(configs, pack.ref)
    document = None
    values: Object = {}
    try:
        if path.is_file():
            document = read(path)
            values = _mapping(document)
        values, faults = resolve_values(pack, values, lookup)
    except Faulty as error:
        return Config(with_defaults(pack.config_schema, {}), _problems(path, pack, document, error.faults))
    return Config(values, _problems(path, pack, document, faults))


def resolve_values(pack: Pack, values: Object, lookup: Lookup) -> tuple[Object, list[Fault]]:
    """``values`` as a config of ``pack``, and what is wrong with them."""
    faults: list[Fault] = []
    schema: Object = {"type": "object", "properties": pack.config_schema}
    looked_up = _look_up(values, schema, (), lookup, faults)
    complete = with_defaults(pack.config_schema, looked_up)
    unresolved = {fault.keys for fault in faults}
    faults += [fault for fault in check_values(pack.config_schema, complete) if fault.keys not in unresolved]
    return complete, faults


def _mapping(document: Document) -> Object:
    if document.value is None:
        return {}
    if not isinstance(document.value, dict):
        said = f"A config must be a mapping of keys to values, not {type_name(document.value)}."
        raise Faulty([Fault((), said)])
    return copy.deepcopy(document.value)


def _look_up(value: Any, schema: Any, keys: Keys, lookup: Lookup, faults: list[Fault]) -> Any:
    if isinstance(value, dict):
        return {
            key: _look_up(item, schema_of_property(schema, str(key)), (*keys, str(key)), lookup, faults)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            _look_up(item, _schema_of_item(schema, index), (*keys, index), lookup, faults)
            for index, item in enumerate(value)
        ]
    if not isinstance(value, str) or "{{" not in value:
        return value
    return _rendered(value, schema, keys, lookup, faults)


def _rendered(text: str, schema: Object, keys: Keys, lookup: Lookup, faults: list[Fault]) -> Any:
    secret = schema.get("secret") is True

    def replace(match: re.Match[str]) -> str:
        scope, name, filtered = match.groups()
        found = lookup(scope, name, decrypt=secret or bool(filtered))
        if found is None:
            faults.append(
                Fault(keys, f"There is no key '{name}' in the {scope} scope; set it with 'st-ops key set'.")
            )
        return found or ""

    rendered = _REFERENCE.sub(replace, text)
    if "{{" in rendered and not _REFERENCE.search(text):
        said = "A config may refer to keys only: '{{ st2kv.system.name }}', with '| decrypt_kv' for a secret one."
        faults.append(Fault(keys, said))
    return _of_type(rendered, schema.get("type"))


def _of_type(text: str, kind: Any) -> Any:
    """Keys hold text; a config of another type gets what the text says as JSON, where it says it."""
    if kind in (None, "string"):
        return text
    try:
        return json.loads(text.lower() if kind == "boolean" else text)
    except ValueError:
        return text


def schema_of_property(schema: Any, key: str) -> Object:
    """The schema of ``key`` in an object of ``schema``: from properties, patternProperties, additionalProperties."""
    if not isinstance(schema, dict):
        return {}
    properties = schema.get("properties") or {}
    if key in properties:
        return dict(properties[key])
    patterns = schema.get("patternProperties") or {}
    merged: Object = {}
    for pattern, item in patterns.items():
        if re.search(pattern, key):
            merged.update(item)
    additional = schema.get("additionalProperties")
    return merged or (dict(additional) if isinstance(additional, dict) else {})


def _schema_of_item(schema: Any, index: int) -> Object:
    if not isinstance(schema, dict):
        return {}
    items = schema.get("items")
    if isinstance(items, list):
        additional = schema.get("additionalItems")
        beyond = additional if isinstance(additional, dict) else {}
        return dict(items[index]) if index < len(items) else dict(beyond)
    return dict(items) if isinstance(items, dict) else {}


def with_defaults(schema: Mapping[str, Object], values: Object) -> Object:
    """``values`` with the defaults of ``schema`` (name → schema) where they have nothing, in nested objects too."""
    complete = dict(values)
    for key, item in schema.items():
        if key not in complete and "default" in item:
            complete[key] = copy.deepcopy(item["default"])
        filled = _filled(item, complete.get(key))
        if filled is not None or key in complete:
            complete[key] = filled
    return complete


def _filled(schema: Object, value: Any) -> Any:
    """``value`` with the defaults inside it; an object that is absent appears when it has properties (StackStorm)."""
    if isinstance(value, list):
        return [_filled(_schema_of_item(schema, index), item) for index, item in enumerate(value)]
    properties = schema.get("properties")
    if isinstance(value, dict):
        nested = {key: schema_of_property(schema, key) for key in value} | (properties or {})
        return with_defaults(nested, value)
    if value is None and schema.get("type") == "object" and properties:
        return with_defaults(properties, {}) or None
    return value


def check_values(schema: Mapping[str, Object], values: Object) -> list[Fault]:
    """What in ``values`` breaks ``schema`` (name → schema). An unknown key that is nearly a known one is a warning."""
    validator = Draft4Validator(draft4({"type": "object", "properties": dict(schema)}))
    faults = [_fault_of(error) for error in validator.iter_errors(values)]
    for key in values:
        near = did_you_mean(str(key), schema) if key not in schema else ""
        if near:
            faults.append(
                Fault((str(key),), f"The config schema has no key '{key}'.{near}", severity="warning")
            )
    return faults


def _fault_of(error: Any) -> Fault:
    keys = tuple(error.absolute_path)
    if error.validator == "required":
        missing = str(error.message).split("'")[1]
        return Fault(keys, f"The config needs the key '{dotted((*keys, missing))}'.")
    if error.schema.get("secret") is True:
        return Fault(keys, f"The value (secret) does not fit '{error.validator}: {error.validator_value}'.")
    return Fault(keys, f"{error.message}.")


def _problems(path: Path, pack: Pack, document: Document | None, faults: list[Fault]) -> list[Problem]:
    return [
        Problem(
            path=str(path),
            line=fault.line or (document.line(fault.keys) if document else None),
            key=dotted(fault.keys),
            kind="config",
            ref=pack.ref,
            message=fault.message,
            severity=fault.severity,
        )
        for fault in faults
    ]
