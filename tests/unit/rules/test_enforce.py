from typing import Any

import pytest

from st_ops.errors import ExpressionError, InvalidInput
from st_ops.expressions.jinja import Templates
from st_ops.model.events import TriggerInstance
from st_ops.rules.enforce import action_context, render_action
from tests.unit.rules.rule_making import TRIGGER, make_rule

INSTANCE = TriggerInstance(
    trigger=TRIGGER, payload={"host": "web1", "n": 5, "body": {"a": [1]}, "evil": "{{ st2kv.system.x }}"}
)
SCHEMA = {
    "cmd": {"type": "string"},
    "n": {"type": "integer"},
    "o": {"type": "object"},
    "note": {"type": "string", "default": "on {{ cmd }}"},
    "zone": {"type": "string", "default": "z"},
}


def render(parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    rule = make_rule(parameters=parameters)
    return render_action(
        rule, INSTANCE, lambda scope, user, name: f"kv-{name}", templates=Templates(), **more
    )


def test_parameters_are_rendered_with_the_event_and_cast_by_the_action():
    made = render(
        {"cmd": "reboot {{ trigger.host }}", "n": "{{ trigger.n }}", "o": "{{ trigger.body }}"}, schema=SCHEMA
    )
    assert made == {"cmd": "reboot web1", "n": 5, "o": {"a": [1]}, "note": "on reboot web1"}


def test_without_a_schema_templates_become_text():
    assert render({"n": "{{ trigger.n }}", "k": "{{ st2kv.system.x }}", "l": 1}) == {
        "n": "5",
        "k": "kv-x",
        "l": 1,
    }


def test_templates_see_the_rule_the_event_and_the_contexts():
    rule = make_rule()
    context = action_context(rule, INSTANCE, user="ada", pack="core")
    template = "{{ rule.ref }} {{ trigger_instance.id }} {{ action_context.user }} {{ config_context.c }}"
    made = render({"cmd": template}, schema=SCHEMA, context=context, config={"c": "C"})
    assert made["cmd"] == f"p.r {INSTANCE.id} ada C"


def test_a_template_in_the_payload_stays_text():
    assert render({"cmd": "{{ trigger.evil }}"}, schema=SCHEMA)["cmd"] == "{{ st2kv.system.x }}"


def test_a_failure_names_the_parameter():
    with pytest.raises(ExpressionError, match=r'parameter "cmd".*missing'):
        render({"cmd": "{{ trigger.missing }}"}, schema=SCHEMA)
    with pytest.raises(InvalidInput, match="'n'"):
        render({"n": "{{ trigger.host }}"}, schema=SCHEMA)
