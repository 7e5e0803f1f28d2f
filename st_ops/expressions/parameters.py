"""StackStorm's two passes over the parameters of an action (reference 1.2).

When an execution is requested, ``render_live`` renders what was given, and the defaults that are templates.
When it runs, ``render_final`` takes those values as they are and fills in the other defaults.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from st_ops.errors import ExpressionError, InvalidInput
from st_ops.expressions.filters import NONE_MARK
from st_ops.expressions.jinja import Templates, contains_expression, is_template
from st_ops.expressions.plain import plain
from st_ops.model.base import Object

Schema = Mapping[str, Object]

#: Inside a list or object, a string that is just this keeps the type of the name's value; with spaces it does
#: not. That, and the characters, are StackStorm's.
_BARE_NAME = re.compile(r"\{\{([A-z0-9_-]+)\}\}")


def render_live(
    schema: Schema,
    given: Mapping[str, Any],
    context: Mapping[str, Any],
    templates: Templates,
    *,
    literal: bool = False,
) -> Object:
    """The parameters of a request: ``given`` rendered and cast, plus the defaults that are templates.

    ``schema`` is the effective one (``effective_schema``). Templates see the other parameters (those not given
    by their defaults) and the names in ``context``: ``st2kv``, ``system``, ``action_context``,
    ``config_context``, and what the caller adds, such as ``trigger``. ``literal``: what was given has been
    rendered already, by a rule or a workflow; text in it that looks like a template came from outside and stays.
    Raises ExpressionError for a template that fails, needs a name that is not there, or leads to itself;
    InvalidInput for a value that cannot be cast to its parameter's type.
    """
    templated = {
        name
        for name, spec in schema.items()
        if is_template_text(spec.get("default")) and not spec.get("immutable")
    }
    kept = _kept(schema, given) if literal else set()
    values = _resolve(_with_defaults(schema, given), context, kept, templates)
    wanted = [*given, *(name for name in schema if name in templated and name not in given)]
    return {name: cast(values[name], schema.get(name, {}), name) for name in wanted}


def render_final(
    schema: Schema, given: Mapping[str, Any], context: Mapping[str, Any], templates: Templates
) -> Object:
    """All parameters for a run: ``given`` (from ``render_live``) taken literally, every other one by its default.

    A parameter without a default is null. Parameters that ``schema`` does not have are left out.
    Raises as ``render_live`` does.
    """
    values = _resolve(_with_defaults(schema, given), context, _kept(schema, given), templates)
    return {name: cast(values[name], spec, name) for name, spec in schema.items()}


def plain_defaults(schema: Schema) -> Object:
    """The defaults that are no templates: what ``render_live`` leaves to the run."""
    return {
        name: spec["default"]
        for name, spec in schema.items()
        if "default" in spec and not is_template_text(spec["default"])
    }


def split(runner_parameters: Schema, values: Mapping[str, Any]) -> tuple[Object, Object]:
    """``values`` as (those of the runner, those of the action only), which is how a Job wants them."""
    runner = {name: value for name, value in values.items() if name in runner_parameters}
    return runner, {name: value for name, value in values.items() if name not in runner_parameters}


def is_template_text(value: Any) -> bool:
    """True for a string with a Jinja expression."""
    return isinstance(value, str) and is_template(value)


def _kept(schema: Schema, given: Mapping[str, Any]) -> set[str]:
    """The names whose given value counts."""
    return {name for name, value in given.items() if not _falls_back(schema.get(name, {}), value)}


def _falls_back(spec: Object, value: Any) -> bool:
    """True when a given value gives way to the default: it is null, or the parameter is immutable."""
    return bool(spec) and (value is None or bool(spec.get("immutable")))


def _with_defaults(schema: Schema, given: Mapping[str, Any]) -> Object:
    """Every parameter's value or template, before rendering."""
    raw = dict(given)
    for name, spec in schema.items():
        if name not in raw or _falls_back(spec, raw[name]):
            raw[name] = spec.get("default")
    return raw


def _resolve(raw: Object, context: Mapping[str, Any], literal: set[str], templates: Templates) -> Object:
    """Every parameter rendered, each after those it uses."""
    needs = {
        name: names
        for name, value in raw.items()
        if name not in literal
        and contains_expression(value)
        and (names := _names(value, templates)) is not None
    }
    if not needs:
        return raw
    for name, names in needs.items():
        for missing in sorted(names - raw.keys() - context.keys()):
            raise ExpressionError(
                f'Dependency unsatisfied in variable "{missing}", which parameter "{name}" uses.'
            )
    known: Object = {**context, **raw}
    for name in _order(needs):
        known[name] = _render(name, raw[name], known, templates)
    return {name: known[name] for name in raw}


def _order(needs: Mapping[str, frozenset[str]]) -> list[str]:
    graph = {name: names & needs.keys() for name, names in needs.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        names = ", ".join(sorted(set(error.args[1])))
        raise ExpressionError(
            f"Cyclic dependency found in the following variables: {names}. "
            "A parameter may not use itself, directly or through others."
        ) from error


def _names(value: Any, templates: Templates) -> frozenset[str] | None:
    """The names that the templates in ``value`` use; None when one is not valid Jinja: then it is just text."""
    if isinstance(value, str):
        return templates.variables(value) if is_template(value) else frozenset()
    inner: list[Any] = []
    if isinstance(value, Mapping):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple):
        inner = list(value)
    found: frozenset[str] = frozenset()
    for item in inner:
        names = _names(item, templates)
        if names is None:
            return None
        found |= names
    return found


def _render(name: str, value: Any, known: Mapping[str, Any], templates: Templates) -> Any:
    try:
        return templates.text(value, known) if isinstance(value, str) else _inside(value, known, templates)
    except ExpressionError as error:
        raise ExpressionError(f'Failed to render parameter "{name}": {error}') from error


def _inside(value: Any, known: Mapping[str, Any], templates: Templates) -> Any:
    """A list or object rendered: StackStorm makes it JSON text, renders that and reads it again."""
    if isinstance(value, str):
        bare = _BARE_NAME.fullmatch(value)
        return plain(templates.value(value, known)) if bare else templates.text(value, known)
    if isinstance(value, Mapping):
        return {
            _inside(key, known, templates): _inside(item, known, templates) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_inside(item, known, templates) for item in value]
    return value


def cast(value: Any, spec: Object, name: str) -> Any:
    """``value`` as its parameter's declared type wants it (StackStorm's casts); null stays null.

    Text becomes an object or array (JSON, else a Python literal), a boolean, an integer or a number; a string must be
    text already. The mark of ``use_none`` becomes null. Raises InvalidInput naming the parameter.
    """
    if value == NONE_MARK and isinstance(value, str) and spec.get("type") in _CASTS:
        return None
    make = _CASTS.get(spec["type"]) if isinstance(spec.get("type"), str) else None
    if value is None or make is None:
        return value
    try:
        return make(value)
    except (ValueError, TypeError, SyntaxError, OverflowError, RecursionError, MemoryError) as error:
        shown = "" if spec.get("secret") else f", {_short(value)},"
        raise InvalidInput(
            f"Parameter '{name}': the value{shown} cannot be taken as {spec['type']}.", where=name
        ) from error


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "…"


def _structure(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return ast.literal_eval(value)


def _boolean(value: Any) -> Any:
    return ast.literal_eval(value.capitalize()) if isinstance(value, str) else value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value).__name__)
    return value


_CASTS: dict[str, Callable[[Any], Any]] = {
    "array": _structure,
    "object": _structure,
    "boolean": _boolean,
    "integer": int,
    "number": float,
    "string": _string,
}
