"""The index may only ever save work: with it every rule has the outcome that asking it in full gives."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from st_ops.expressions.datastore import nothing
from st_ops.expressions.jinja import Templates
from st_ops.model.resources import Rule
from st_ops.rules.matcher import CompiledRule, RuleSet
from st_ops.rules.paths import Subject
from tests.unit.rules.rule_making import NOW, TRIGGER, make_rule

TEMPLATES = Templates()
NAN = float("nan")

scalars = st.sampled_from(
    [None, True, False, 0, 1, 1.0, -1, 2, NAN, "", "a", "A", "b", "ab", b"a", "1", "true"]
)
values = st.one_of(
    scalars, st.lists(scalars, max_size=2), st.dictionaries(st.sampled_from("xy"), scalars, max_size=2)
)
payloads = st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3)
operators = st.sampled_from(
    [
        "equals",
        "eq",
        "EQ",
        "nequals",
        "iequals",
        "ieq",
        "in",
        "inside",
        "nin",
        "exists",
        "nexists",
        "gt",
        "lt",
        "contains",
        "startswith",
        "regex",
        "icontains",
        "nonsense",
        "search",
    ]
)
keys = st.sampled_from(
    ["trigger.a", "trigger.a#2", "trigger.b", "trigger.c", "trigger.b.x", "trigger", "trigger.a[0]", "a b"]
)
patterns = st.one_of(values, st.sampled_from(["{{ trigger.a }}", "{{ trigger.b.x }}"]))
criteria = st.dictionaries(keys, st.fixed_dictionaries({"type": operators, "pattern": patterns}), max_size=3)
kinds = st.sampled_from(["standard", "standard", "standard", "backstop"])
rules = st.lists(st.tuples(criteria, kinds), max_size=12)


def in_full(rule: Rule, payload: dict[str, Any]) -> tuple[str, bool, str | None] | None:
    found = CompiledRule(rule, TEMPLATES).judge(Subject(payload, nothing, NOW), empty=not payload)
    return None if found is None else (rule.name, found.matched, found.error)


def expected(all_rules: list[Rule], payload: dict[str, Any]) -> list[tuple[str, bool, str | None]]:
    first = [found for rule in all_rules if rule.type.ref == "standard" and (found := in_full(rule, payload))]
    if any(matched for _, matched, _ in first):
        return first
    return first + [
        found for rule in all_rules if rule.type.ref == "backstop" and (found := in_full(rule, payload))
    ]


@settings(max_examples=400, deadline=None)
@given(rules, st.lists(payloads, min_size=1, max_size=3))
def test_indexed_matching_equals_asking_every_rule(specs, events):
    all_rules = [make_rule(f"r{number}", spec, kind=kind) for number, (spec, kind) in enumerate(specs)]
    rule_set = RuleSet(all_rules, TEMPLATES)
    for payload in events:
        found = rule_set.match(TRIGGER, payload, nothing, NOW)
        assert [(match.rule.name, match.matched, match.error) for match in found] == expected(
            all_rules, payload
        )


def test_only_the_candidates_among_a_thousand_rules_are_asked():
    spec = {
        "trigger.load": {"type": "gt", "pattern": 1},
        "trigger.tags": {"type": "contains", "pattern": "x"},
    }
    all_rules = [
        make_rule(f"r{number}", {**spec, "trigger.host": {"type": "equals", "pattern": f"h{number}"}})
        for number in range(1_000)
    ]
    rule_set = RuleSet(all_rules, TEMPLATES)
    asked: list[str] = []

    class Tags(list[str]):
        def __contains__(self, item: object) -> bool:
            asked.append(str(item))
            return True

    payload = {"host": "h500", "load": 2, "tags": Tags()}
    assert [match.rule.name for match in rule_set.match(TRIGGER, payload, nothing, NOW)] == ["r500"]
    assert len(asked) == 2  # once as guard of all thousand, once for the one rule
