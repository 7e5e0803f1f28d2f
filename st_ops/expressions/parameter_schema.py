"""The schema of an action's parameters: what holds for it, and whether values keep to it (reference 1.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
from jsonschema import Draft4Validator
from jsonschema.exceptions import SchemaError, UnknownType, ValidationError, best_match

from st_ops.errors import InvalidInput
from st_ops.expressions.masking import secret_names
from st_ops.expressions.quick_schema import QuickCheck, compiled
from st_ops.model.base import Object
from st_ops.model.resources import Action
from st_ops.model.runner_types import OVERRIDABLE, resolve

Schema = Mapping[str, Object]

#: Ref → the action as it is registered and its schema; asked for several times an execution.
_schemas: dict[str, tuple[Action, dict[str, Object]]] = {}

#: How much of a value or schema an error message shows.
_SHOWN = 200


def effective_schema(runner_parameters: Schema, action_parameters: Schema) -> dict[str, Object]:
    """The parameters of an action: the runner's and its own; what it may not override stays the runner's.

    A runner's immutable parameter stays as it is, and one that either calls secret is secret.
    """
    merged = dict(runner_parameters)
    for name, own in action_parameters.items():
        merged[name] = _merged(runner_parameters[name], own or {}) if name in runner_parameters else own or {}
    return merged


def schema_of(action: Action) -> dict[str, Object]:
    """The effective schema of an action's parameters: its runner's, with what it overrides and adds.

    Raises NotFound when there is no such runner.
    """
    ref = action.ref
    kept = _schemas.get(ref)
    if kept is None or kept[0] is not action:
        schema = effective_schema(resolve(action.runner_type).parameters, action.parameters)
        kept = _schemas[ref] = (action, schema)
    return kept[1]


def _merged(runner: Object, own: Object) -> Object:
    secret = {"secret": True} if own.get("secret") or runner.get("secret") else {}
    if runner.get("immutable"):
        return {**runner, **secret}
    overrides = {key: value for key, value in own.items() if key in OVERRIDABLE or key not in runner}
    if overrides.get("default", ...) is None and "default" in runner:
        del overrides["default"]  # StackStorm: a null default does not hide the runner's
    return {**runner, **overrides, **secret}


def forbidden_overrides(runner_parameters: Schema, action_parameters: Schema) -> list[tuple[str, str]]:
    """(parameter, attribute) of everything that an action says differently of its runner's parameters but may not."""
    return [
        (name, key)
        for name, own in action_parameters.items()
        if name in runner_parameters
        for key, value in (own or {}).items()
        if key not in OVERRIDABLE and runner_parameters[name].get(key) != value
    ]


def positional(schema: Schema) -> list[str]:
    """The names of the parameters that have a ``position``, in that order."""
    placed = [(spec["position"], name) for name, spec in schema.items() if spec.get("position") is not None]
    return [name for _, name in sorted(placed)]


def is_optional(spec: Object) -> bool:
    """True when null will do: not required, or with a default, and that default (if any) is null."""
    return ("default" in spec or spec.get("required") is not True) and spec.get("default") is None


def validate(schema: Schema, values: Mapping[str, Any]) -> None:
    """Check the parameters of a request (from ``render_live``) against the effective ``schema``.

    Raises InvalidInput with a sentence that names the parameter: unknown, required and missing, immutable and
    given, or not as its schema wants it. The value of a secret parameter is not quoted.
    """
    for name, value in values.items():
        spec = schema.get(name)
        if spec is None:
            if schema:
                raise _invalid(name, f"is not a parameter of this action; it has {_listed(schema)}")
        elif spec.get("immutable"):
            raise _invalid(name, "is immutable, so it cannot be given")
        elif value is not None or not is_optional(spec):
            _check(name, spec, value)
    for name, spec in schema.items():
        if spec.get("required") is True and name not in values and "default" not in spec:
            raise _invalid(name, "is required and was not given")


def validate_payload(schema: Object, payload: Object) -> None:
    """Check an event's payload against its trigger type's ``schema``. Raises InvalidInput naming the key."""
    try:
        error = _error(schema, payload)
    except (SchemaError, UnknownType, re.error, TypeError) as broken:
        raise InvalidInput(f"The schema itself is wrong: {broken}") from broken
    if error is not None:
        where = _place(error).removeprefix(".")
        raise InvalidInput(f"{where or 'the payload'}: {_shortened(error.message)}", where=where)


def _listed(schema: Schema) -> str:
    return ", ".join(sorted(schema))


def _invalid(name: str, complaint: str) -> InvalidInput:
    return InvalidInput(f"Parameter '{name}' {complaint}.", where=name)


def _check(name: str, spec: Object, value: Any) -> None:
    try:
        error = _error(spec, value)
    except (SchemaError, UnknownType, re.error, TypeError) as broken:
        raise _invalid(name, f"cannot be checked, because its schema is wrong: {broken}") from broken
    if error is not None:
        raise _invalid(name, _complaint(spec, error))


def _complaint(spec: Object, error: ValidationError) -> str:
    where = _place(error)
    at = f" at {where}" if where else ""
    if secret_names({"": spec}):
        return (
            f"is not as its schema wants it{at}: {error.validator} {_shortened(str(error.validator_value))}"
        )
    return f"is not as its schema wants it{at}: {_shortened(error.message)}"


def _place(error: ValidationError) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


class _Checks(NamedTuple):
    quick: QuickCheck | None
    whole: Draft4Validator


#: By identity, with the schema itself so that the identity stays its own: looked up for every event and parameter.
_checks: dict[int, tuple[Object, _Checks]] = {}
_MOST_CHECKS = 10_000


def _error(spec: Object, value: Any) -> ValidationError | None:
    """What is most wrong with ``value``, if anything. Raises what a wrong schema makes the validator raise."""
    kept = _checks.get(id(spec))
    if kept is None or kept[0] is not spec:
        if len(_checks) >= _MOST_CHECKS:
            _checks.clear()
        kept = _checks[id(spec)] = (spec, _checks_of(_key(spec)))
    quick, whole = kept[1]
    if quick is not None and quick(value):
        return None
    error: ValidationError | None = best_match(whole.iter_errors(value))
    return error


def _key(spec: Object) -> bytes:
    return orjson.dumps(spec, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)


@lru_cache(maxsize=_MOST_CHECKS)
def _checks_of(spec: bytes) -> _Checks:
    schema = draft4(orjson.loads(spec))
    return _Checks(compiled(schema), Draft4Validator(schema))


def draft4(spec: Any) -> Any:
    """StackStorm's schema dialect as draft 4: ``required: true`` of a property becomes the object's list, and an
    optional property may be null.
    """
    if not isinstance(spec, Mapping):
        return spec
    out = {key: value for key, value in spec.items() if not (key == "required" and isinstance(value, bool))}
    properties = out.get("properties")
    if isinstance(properties, Mapping):
        out["properties"] = {name: _property(child) for name, child in properties.items()}
        required = [name for name, child in properties.items() if _is_required(child)]
        listed = out.get("required")
        required += [name for name in listed if name not in required] if isinstance(listed, list) else []
        if required:
            out["required"] = required
    for key in ("items", "additionalItems", "additionalProperties", "not"):
        if key in out:
            found = out[key]
            out[key] = [draft4(item) for item in found] if isinstance(found, list) else draft4(found)
    for key in ("allOf", "anyOf", "oneOf"):
        if isinstance(out.get(key), list):
            out[key] = [draft4(item) for item in out[key]]
    if isinstance(out.get("patternProperties"), Mapping):
        out["patternProperties"] = {key: draft4(child) for key, child in out["patternProperties"].items()}
    return out


def _is_required(child: Any) -> bool:
    return isinstance(child, Mapping) and child.get("required") is True and "default" not in child


def _property(child: Any) -> Any:
    made = draft4(child)
    if not isinstance(made, dict) or not is_optional(child):
        return made
    if "enum" in made or "type" not in made:
        return {"anyOf": [{"type": "null"}, made]}
    types = made["type"] if isinstance(made["type"], list) else [made["type"]]
    return {**made, "type": [*types, "null"]}
