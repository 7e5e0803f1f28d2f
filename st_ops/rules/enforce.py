"""What a matched rule asks for: its action's parameters and run key, rendered for one event. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from st_ops.errors import InvalidInput
from st_ops.expressions.datastore import Lookup, datastore
from st_ops.expressions.jinja import Templates
from st_ops.expressions.parameters import render_live
from st_ops.model.base import Object
from st_ops.model.events import TriggerInstance
from st_ops.model.resources import Rule

#: Longest run key, in characters.
MOST_KEY_LENGTH = 500


def action_context(rule: Rule, instance: TriggerInstance, *, user: str, pack: str) -> Object:
    """The context of the execution that ``rule`` starts (StackStorm's): event, rule, user and the action's pack."""
    return {
        "trigger_instance": {"id": instance.id, "name": instance.trigger},
        "rule": {"ref": rule.ref, "name": rule.name, "pack": rule.pack},
        "user": user,
        "pack": pack,
    }


def render_action(
    rule: Rule,
    instance: TriggerInstance,
    kv: Lookup,
    *,
    templates: Templates,
    schema: Mapping[str, Object] | None = None,
    context: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    user: str = "",
) -> Object:
    """The parameters of the execution that ``rule`` requests for ``instance``.

    ``schema`` is the action's effective parameter schema: by it values are cast and templates see the action's
    other parameters; without one every template becomes text. ``context`` is what ``action_context`` made,
    ``config`` the pack's config. Templates see ``trigger`` (the payload), ``st2kv``, ``system``,
    ``action_context``, ``config_context``, ``rule`` and ``trigger_instance``.
    Raises ExpressionError when a template fails, InvalidInput when a value does not fit its parameter's type.
    """
    facts = context or action_context(rule, instance, user=user, pack=rule.action.ref.partition(".")[0])
    names = _names(instance, kv, user, facts, config or {})
    return render_live(schema or {}, rule.action.parameters, names, templates)


def render_run_key(
    rule: Rule,
    instance: TriggerInstance,
    kv: Lookup,
    *,
    templates: Templates,
    context: Mapping[str, Any],
    config: Mapping[str, Any],
    user: str = "",
) -> str | None:
    """The run key of the execution that ``rule`` requests for ``instance``; None for a rule without.

    Templates see what those of parameters see. Raises ExpressionError, and InvalidInput for a key that is empty: an
    execution without its key would run again and again.
    """
    if not rule.run_key:
        return None
    key = templates.text(rule.run_key, _names(instance, kv, user, context, config)).strip()
    if not key or len(key) > MOST_KEY_LENGTH:
        said = "is empty" if not key else f"has {len(key)} characters, more than {MOST_KEY_LENGTH},"
        raise InvalidInput(f"The run key '{rule.run_key}' {said} for this event.", where="run_key")
    return key


def _names(
    instance: TriggerInstance, kv: Lookup, user: str, facts: Mapping[str, Any], config: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        **datastore(kv, user),
        "rule": facts.get("rule", {}),
        "trigger_instance": facts.get("trigger_instance", {}),
        "action_context": facts,
        "config_context": config,
        "trigger": instance.payload,
    }
