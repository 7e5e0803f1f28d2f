from datetime import UTC, datetime
from typing import Any

import pytest

from st_ops.model.events import trigger_ref_for
from st_ops.rules.matcher import Match, RuleSet
from tests.unit.rules.rule_making import NOW, TRIGGER, make_rule

KV = {"threshold": "5", "team.lead": "ada"}


def lookup(scope: str, user: str, name: str) -> str | None:
    return KV.get(name)


def match(
    rules: list[Any], payload: dict[str, Any], trigger: str = TRIGGER, now: datetime = NOW
) -> list[Match]:
    return RuleSet(rules).match(trigger, payload, lookup, now)


def matches(criteria: dict[str, Any], payload: dict[str, Any]) -> bool:
    """Whether one rule with ``criteria`` matches, without any error."""
    found = match([make_rule(criteria=criteria)], payload)
    assert [m.error for m in found if m.error] == []
    return bool(found)


def error_of(criteria: dict[str, Any], payload: dict[str, Any]) -> str:
    (found,) = match([make_rule(criteria=criteria)], payload)
    assert not found.matched
    assert found.error is not None
    return found.error


def is_(pattern: Any, kind: str = "equals", **more: Any) -> dict[str, Any]:
    return {"type": kind, "pattern": pattern, **more}


def test_all_criteria_must_hold():
    criteria = {"trigger.host": is_("web1"), "trigger.load": is_(3, "gt")}
    assert matches(criteria, {"host": "web1", "load": 4})
    assert not matches(criteria, {"host": "web1", "load": 3})
    assert not matches(criteria, {"host": "web2", "load": 4})


def test_no_criteria_match_every_event_and_an_empty_payload_meets_no_criteria():
    assert matches({}, {})
    assert matches({}, {"a": 1})
    assert not matches({"trigger.a": is_(1, "nexists")}, {})
    assert matches({"trigger.a": is_(1, "nexists")}, {"b": 1})


def test_a_key_is_a_json_path_of_which_the_first_hit_counts():
    payload = {"body": {"alerts": [{"name": "disk"}, {"name": "cpu"}], "a.b": 1, "x-y": 2, "@t": 3}}
    assert matches({"trigger.body.alerts[1].name": is_("cpu")}, payload)
    assert matches({"trigger.body.alerts[*].name": is_("disk")}, payload)
    assert not matches({"trigger.body.alerts[*].name": is_("cpu")}, payload)
    assert matches({"trigger.body.'a.b'": is_(1)}, payload)
    assert matches({"trigger.body.x-y": is_(2), "trigger.body.@t": is_(3)}, payload)
    assert matches({"trigger..name": is_("disk")}, payload)
    assert matches({"trigger": is_("body", "contains")}, payload)
    assert matches({"trigger.body.alerts.name": is_(1, "nexists")}, payload)
    assert matches({"body.alerts": is_(1, "nexists")}, payload)


def test_text_behind_a_hash_lets_one_key_be_tested_twice():
    criteria = {"trigger.n#1": is_(1, "gt"), "trigger.n#2": is_(9, "lt")}
    assert matches(criteria, {"n": 5})
    assert not matches(criteria, {"n": 10})


def test_a_key_that_is_no_json_path_is_an_error():
    assert "is not a JSONPath" in error_of({"trigger.a b": is_(1)}, {"a": 1})


def test_a_pattern_may_be_a_template_and_a_lone_one_keeps_its_type():
    assert matches({"trigger.n": is_("{{ trigger.limit }}", "gt")}, {"n": 6, "limit": 5})
    assert matches({"trigger.host": is_("{{ trigger.name }}.example")}, {"host": "a.example", "name": "a"})
    assert matches({"trigger.n": is_("{{ st2kv.system.threshold }}")}, {"n": "5"})
    assert matches({"trigger.n": is_("{{ system.threshold | int }}", "lt")}, {"n": 4})
    assert "no attribute 'missing'" in error_of({"trigger.n": is_("{{ trigger.missing }}")}, {"n": 1})


def test_the_datastore_can_be_asked_in_a_key():
    assert matches({"system.team.lead": is_("ada")}, {"n": 1})
    assert matches({"st2kv.system.team.lead": is_("ada")}, {"n": 1})
    assert matches({"system.nothing": is_(1, "nexists")}, {"n": 1})


def test_a_criterion_without_a_type_matches_nothing_and_an_unknown_one_is_an_error():
    assert not matches({"trigger.n": {"pattern": 1}}, {"n": 1})
    assert "there is no operator 'same'" in error_of({"trigger.n": is_(1, "same")}, {"n": 1})


def test_operators_are_known_in_any_case():
    assert matches({"trigger.n": is_(1, "EQUALS")}, {"n": 1})


def test_an_operator_that_fails_is_an_error_that_names_the_criterion():
    error = error_of({"trigger.n": is_(5, "lt")}, {"n": "4"})
    assert error.startswith("Criterion 'trigger.n' (lt) could not be tested: TypeError")


def test_times_are_compared_with_the_moment_given():
    payload = {"at": "2026-01-01T11:59:30Z"}
    rules = [make_rule(criteria={"trigger.at": is_(60, "timediff_lt")})]
    assert match(rules, payload, now=NOW)
    assert not match(rules, payload, now=datetime(2026, 1, 1, 13, tzinfo=UTC))


FIELDS = {"fields": [{"name": "status", "to": "done", "n": 50}, {"name": "owner", "to": "ada", "n": 5}]}
STATUS, DONE, MANY = is_("status"), is_("done"), is_(40, "gt")


@pytest.mark.parametrize(
    ("condition", "pattern", "expected"),
    [
        ("any", {"item.name": STATUS, "item.to": DONE}, True),
        ("any", {"item.name": is_("owner"), "item.to": DONE}, False),
        ("all", {"item.n": is_(1, "gt")}, True),
        ("all", {"item.n": MANY}, False),
        ("all2any", {"item.name": STATUS, "item.to": is_("ada")}, True),
        ("all2any", {"item.name": STATUS, "item.to": DONE}, False),
        ("any2any", {"item.name": is_("nobody"), "item.to": DONE}, True),
        ("any2any", {"item.name": is_("nobody"), "item.to": is_("nothing")}, False),
        ("any", {"item.n#1": MANY, "item.n#2": is_(60, "lt")}, True),
        ("any", {"item.name": is_("{{ item.to }}", "neq")}, True),
    ],
)
def test_search_asks_the_items_of_a_list(condition, pattern, expected):
    assert matches({"trigger.fields": is_(pattern, "search", condition=condition)}, FIELDS) is expected


def test_search_takes_an_object_for_a_list_of_one():
    criteria = {"trigger.one": is_({"item.a": is_(1)}, "search", condition="all")}
    assert matches(criteria, {"one": {"a": 1}})
    assert not matches(criteria, {"one": {"a": 2}})


def test_search_can_be_nested():
    inner = is_({"item.v": is_(2)}, "search", condition="any")
    criteria = {"trigger.rows": is_({"item.cells": inner}, "search", condition="any")}
    assert matches(criteria, {"rows": [{"cells": [{"v": 1}]}, {"cells": [{"v": 2}]}]})


def test_search_says_what_it_cannot_do():
    pattern = {"item.n": is_(1)}
    assert "any, all, any2any or all2any" in error_of(
        {"trigger.f": is_(pattern, "search", condition="some")}, {"f": []}
    )
    assert "write the operator 'Search' as 'search'" in error_of(
        {"trigger.f": is_(pattern, "Search", condition="any")}, {"f": []}
    )
    assert "could not be tested" in error_of({"trigger.f": is_(pattern, "search", condition="any")}, {"f": 5})
    assert "mapping of criteria" in error_of({"trigger.f": is_("x", "search", condition="any")}, {"f": [1]})


def test_a_child_of_a_search_that_fails_counts_as_no_and_is_told_when_nothing_matches():
    pattern = {"item.n": is_(1, "gt")}
    criteria = {"trigger.f": is_(pattern, "search", condition="any")}
    assert matches(criteria, {"f": [{"n": "x"}, {"n": 2}]})
    assert "Criterion 'item.n' (gt)" in error_of(criteria, {"f": [{"n": "x"}, {"n": 0}]})


def test_the_faults_of_one_rule_are_not_told_of_the_next():
    failing = {"trigger.f": is_({"item.n": is_(1, "gt")}, "search", condition="any")}
    rules = [make_rule("a", failing), make_rule("b", {"trigger.x": is_(2)})]
    assert [(m.rule.name, bool(m.error)) for m in match(rules, {"f": [{"n": "x"}], "x": 1})] == [("a", True)]


def test_disabled_rules_and_rules_of_other_triggers_are_left_out():
    rules = [
        make_rule("off", enabled=False),
        make_rule("other", trigger={"type": "p.other"}),
        make_rule("on"),
    ]
    assert [m.rule.name for m in match(rules, {})] == ["on"]
    assert match(rules, {}, trigger="p.unknown") == []


def test_backstop_rules_come_in_only_when_no_other_matched():
    rules = [make_rule("last", kind="backstop"), make_rule("first", {"trigger.n": is_(1)})]
    assert [m.rule.name for m in match(rules, {"n": 1})] == ["first"]
    assert [m.rule.name for m in match(rules, {"n": 2})] == ["last"]


def test_a_rule_that_fails_does_not_hold_back_the_backstop():
    rules = [make_rule("broken", {"trigger.n": is_(1, "gt")}), make_rule("last", kind="backstop")]
    assert [(m.rule.name, m.matched) for m in match(rules, {"n": "x"})] == [("broken", False), ("last", True)]


def test_a_trigger_with_parameters_has_its_own_ref():
    hook = {"type": "core.st2.webhook", "parameters": {"url": "alerts"}}
    ref = trigger_ref_for("core.st2.webhook", {"url": "alerts"})
    assert ref.startswith("core.")
    assert ref == trigger_ref_for("core.st2.webhook", {"url": "alerts"})
    assert ref != trigger_ref_for("core.st2.webhook", {"url": "other"})
    assert trigger_ref_for("p.t", {"a": 1, "b": 2}) == trigger_ref_for("p.t", {"b": 2, "a": 1})
    assert trigger_ref_for("p.t", {}) == "p.t"
    rules = [make_rule("hook", trigger=hook)]
    assert RuleSet(rules).triggers == {ref}
    assert [m.rule.name for m in match(rules, {}, trigger=ref)] == ["hook"]
