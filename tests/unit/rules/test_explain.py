from typing import Any

from st_ops.expressions.datastore import nothing
from st_ops.rules.explain import Explanation, explain
from tests.unit.rules.rule_making import NOW, TRIGGER, make_rule

CRITERIA = {
    "trigger.host": {"type": "equals", "pattern": "{{ trigger.name }}1"},
    "trigger.load": {"type": "gt", "pattern": 3},
    "trigger.tags": {"type": "contains", "pattern": "prod"},
}


def explained(payload: dict[str, Any], trigger: str = TRIGGER, **more: Any) -> Explanation:
    return explain(make_rule(criteria=CRITERIA, **more), trigger, payload, nothing, NOW)


def test_every_criterion_tells_what_it_asked_and_what_it_found():
    found = explained({"host": "web1", "name": "web", "load": 2, "tags": ["prod"]})
    assert not found.matched
    assert found.reason == "Criterion 'trigger.load' (gt) is not met."
    assert [(step.key, step.operator, step.pattern, step.value, step.passed) for step in found.steps] == [
        ("trigger.host", "equals", "web1", "web1", True),
        ("trigger.load", "gt", 3, 2, False),
        ("trigger.tags", "contains", "prod", ["prod"], True),
    ]


def test_a_match_is_told_as_such():
    found = explained({"host": "web1", "name": "web", "load": 4, "tags": ["prod"]})
    assert (found.matched, found.reason) == (True, "Every criterion is met.")


def test_an_error_is_told_at_its_criterion():
    found = explained({"host": "web1", "load": "x", "tags": ["prod"]})
    assert not found.matched
    assert found.steps[0].error is not None
    assert "no attribute 'name'" in found.steps[0].error
    assert found.steps[1].error is not None
    assert "TypeError" in found.steps[1].error
    assert found.steps[2].passed


def test_what_keeps_a_rule_from_being_asked_is_said_first():
    good = {"host": "web1", "name": "web", "load": 4, "tags": ["prod"]}
    assert explained(good, enabled=False).reason == "The rule is disabled."
    assert explained(good, trigger="p.other").reason == f"The rule listens to {TRIGGER}, not to p.other."
    assert explained({}).reason == "The event has no payload, which meets no criteria."


def test_what_fails_inside_a_search_is_told():
    spec = {"type": "search", "condition": "any", "pattern": {"item.n": {"type": "gt", "pattern": 1}}}
    rule = make_rule(criteria={"trigger.f": spec})
    found = explain(rule, TRIGGER, {"f": [{"n": "x"}]}, nothing, NOW)
    assert not found.matched
    assert "Criterion 'item.n' (gt)" in found.reason
