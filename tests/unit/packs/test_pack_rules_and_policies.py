from __future__ import annotations

import pytest

RULE = "name: r\ntrigger: {{type: demo.t}}\naction: {{ref: demo.a}}\ncriteria:\n  trigger.x: {0}\n"


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        ("{type: equal, pattern: 1}", "There is no operator 'equal'. Did you mean 'equals'?"),
        ("{type: equals}", "needs a 'pattern'"),
        ("{pattern: 1}", "A criterion needs 'type'"),
        ("{type: equals, patern: 1, pattern: 1}", "Did you mean 'pattern'?"),
        ("{type: search, pattern: {}}", "needs a 'condition'"),
        ("{type: search, condition: any, pattern: {item.a: {type: nope, pattern: 1}}}", "no operator 'nope'"),
        ("{type: Search, condition: any, pattern: {}}", "no operator 'Search'"),
        ("wrong", "A criterion must be a mapping"),
    ],
)
def test_what_is_wrong_with_a_criterion_is_said(load, criterion, message):
    loaded = load({"rules/r.yaml": RULE.format(criterion)})
    assert any(message in problem.message and problem.line == 5 for problem in loaded.problems), (
        loaded.problems
    )
    assert loaded.resources["rule"] == []


@pytest.mark.parametrize(
    "criterion", ["{type: exists}", "{type: NEXISTS, pattern: x}", "{type: iRegex, pattern: a}"]
)
def test_good_criteria_pass(load, criterion):
    assert load({"rules/r.yaml": RULE.format(criterion)}).problems == []


def test_a_slip_in_the_trigger_is_noticed_though_stackstorm_lets_any_key_be(load):
    text = "name: r\ntrigger: {type: demo.t, paramters: {}, note: x}\naction: {ref: demo.a}\n"
    problems = load({"rules/r.yaml": text}).problems
    assert [problem.key for problem in problems] == ["trigger.paramters"]


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("name: r\ntrigger: {type: x}\naction: {ref: demo.a}\n", "trigger.type", "pack.name"),
        ("name: r\ntrigger: {type: a.b}\naction: {}\n", "action", "needs the key 'ref'"),
        ("name: r\ntrigger: {type: a.b}\naction: text\n", "action", "must be a mapping"),
        (
            "name: r\ntype: {ref: backstp}\ntrigger: {type: a.b}\naction: {ref: a.b}\n",
            "type.ref",
            "'backstop'",
        ),
    ],
)
def test_what_is_wrong_with_a_rule_is_said(load, text, key, message):
    problems = load({"rules/r.yaml": text}).problems
    assert problems[0].key == key
    assert message in problems[0].message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("policy_type: action.retri\n", "Did you mean 'action.retry'?"),
        ("policy_type: action.retry\nparameters: {}\n", "needs the parameter 'retry_on'"),
        ("policy_type: action.retry\nparameters: {retry_on: error}\n", "failure or timeout"),
        ("policy_type: action.concurrency\nparameters: {threshold: 0}\n", "from 1 up"),
        ("policy_type: action.concurrency\nparameters: {treshold: 1}\n", "Did you mean 'threshold'?"),
    ],
)
def test_what_is_wrong_with_a_policy_is_said(load, text, message):
    problems = load({"policies/p.yaml": "name: p\nresource_ref: a.b\n" + text}).problems
    assert any(message in problem.message for problem in problems), problems


def test_the_sensor_file_must_exist_and_its_trigger_types_be_right(load):
    text = "class_name: S\nentry_point: s.py\ntrigger_types: [{nme: x, name: y}, 3]\n"
    problems = load({"sensors/s.yaml": text}).problems
    assert [problem.key for problem in problems] == [
        "trigger_types[0].nme",
        "trigger_types[1]",
        "entry_point",
    ]


def test_the_formats_of_an_alias_are_checked(load):
    text = "name: a\naction_ref: x\nformats: [3, {displa: x, representation: [y]}]\n"
    problems = load({"aliases/a.yaml": text}).problems
    assert [problem.key for problem in problems] == ["formats[0]", "formats[1].displa", "action_ref"]
