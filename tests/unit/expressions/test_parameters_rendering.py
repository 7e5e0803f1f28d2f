from typing import Any

import pytest

from st_ops.errors import ExpressionError, InvalidInput
from st_ops.expressions.datastore import datastore
from st_ops.expressions.filters import NONE_MARK
from st_ops.expressions.jinja import Templates
from st_ops.expressions.parameters import cast, render_final, render_live, split

TEMPLATES = Templates()
CONTEXT: dict[str, Any] = {
    **datastore(lambda scope, user, name: "eu" if name == "region" else None),
    "action_context": {"user": "ada"},
    "config_context": {"zone": "b"},
    "trigger": {"n": 7, "tags": ["x", "y"], "host": "web1"},
}


def live(schema: dict[str, Any], given: dict[str, Any], *, literal: bool = False) -> dict[str, Any]:
    return render_live(schema, given, CONTEXT, TEMPLATES, literal=literal)


def final(schema: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    return render_final(schema, given, CONTEXT, TEMPLATES)


def test_templates_see_other_parameters_the_datastore_the_contexts_and_the_trigger():
    schema = {name: {"type": "string"} for name in ("a", "b", "c", "d", "e")}
    given = {
        "a": "{{ b }}-{{ c }}",
        "b": "{{ st2kv.system.region }}",
        "c": "{{ action_context.user }}",
        "d": "{{ config_context.zone }}",
        "e": "{{ trigger.host }}",
    }
    assert live(schema, given) == {"a": "eu-ada", "b": "eu", "c": "ada", "d": "b", "e": "web1"}


def test_text_is_cast_to_the_declared_type():
    schema = {
        "n": {"type": "integer"},
        "s": {"type": "string"},
        "l": {"type": "array"},
        "o": {"type": "object"},
    }
    given = {
        "n": "{{ trigger.n }}",
        "s": "{{ trigger.n }}",
        "l": "{{ trigger.tags }}",
        "o": "{{ trigger | to_complex }}",
    }
    assert live(schema, given) == {"n": 7, "s": "7", "l": ["x", "y"], "o": CONTEXT["trigger"]}


def test_a_bare_name_inside_a_list_or_object_keeps_its_type_and_anything_else_becomes_text():
    schema = {"n": {"type": "integer"}, "o": {"type": "object"}, "l": {"type": "array"}}
    given = {
        "n": 3,
        "o": {"a": "{{n}}", "b": "{{ n }}", "c": "{{trigger}}", "{{ n }}": 1},
        "l": ["{{n}}", "<{{n}}>", 4, None],
    }
    made = live(schema, given)
    assert made["o"] == {"a": 3, "b": "3", "c": CONTEXT["trigger"], "3": 1}
    assert made["l"] == [3, "<3>", 4, None]


def test_a_missing_name_is_told_with_the_parameter_that_wants_it():
    with pytest.raises(ExpressionError, match=r'Dependency unsatisfied in variable "nobody".*"a"'):
        live({"a": {"type": "string"}}, {"a": "{{ nobody }}"})


def test_parameters_that_lead_to_themselves_are_refused():
    schema = {"a": {"type": "string"}, "b": {"type": "string"}}
    with pytest.raises(ExpressionError, match="Cyclic dependency found in the following variables: a, b"):
        live(schema, {"a": "{{ b }}", "b": "{{ a }}"})
    with pytest.raises(ExpressionError, match="Cyclic dependency"):
        live(schema, {"a": "{{ a }}"})


def test_a_template_that_fails_names_its_parameter():
    with pytest.raises(ExpressionError, match=r'Failed to render parameter "a": .*no attribute'):
        live({"a": {"type": "string"}}, {"a": "{{ trigger.missing.deep }}"})


def test_what_is_not_valid_jinja_is_just_text():
    assert live({"a": {"type": "string"}}, {"a": "${{ not % jinja"}) == {"a": "${{ not % jinja"}


def test_the_first_pass_adds_defaults_that_are_templates_and_no_others():
    schema = {
        "cmd": {"type": "string"},
        "where": {"type": "string", "default": "{{ st2kv.system.region }}"},
        "count": {"type": "integer", "default": "{{ trigger.n }}"},
        "plain": {"type": "integer", "default": 5},
        "fixed": {"type": "string", "default": "{{ cmd }}", "immutable": True},
    }
    assert live(schema, {"cmd": "ls"}) == {"cmd": "ls", "where": "eu", "count": 7}
    assert live(schema, {"where": "us"}) == {"where": "us", "count": 7}


def test_null_gives_way_to_the_default():
    schema = {"a": {"type": "string", "default": "x"}, "b": {"type": "string", "default": "{{ a }}!"}}
    assert live(schema, {"a": None, "b": None}) == {"a": "x", "b": "x!"}


def test_the_second_pass_takes_what_is_given_literally_and_fills_in_every_default():
    schema = {
        "cmd": {"type": "string"},
        "n": {"type": "integer", "default": 5},
        "note": {"type": "string", "default": "ran {{ cmd }}"},
        "none": {"type": "string"},
        "fixed": {"type": "string", "default": "always", "immutable": True},
    }
    made = final(schema, {"cmd": "echo {{ not_a_name }}", "fixed": "no", "unknown": 1})
    assert made == {
        "cmd": "echo {{ not_a_name }}",
        "n": 5,
        "note": "ran echo {{ not_a_name }}",
        "none": None,
        "fixed": "always",
    }


def test_text_that_came_from_outside_stays_text_in_a_literal_request():
    schema = {"msg": {"type": "string"}, "at": {"type": "string", "default": "{{ trigger.host }}"}}
    made = live(schema, {"msg": "{{ st2kv.system.region }}", "at": None}, literal=True)
    assert made == {"msg": "{{ st2kv.system.region }}", "at": "web1"}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("integer", "5", 5),
        ("integer", 5.0, 5),
        ("number", "1.5", 1.5),
        ("number", 2, 2.0),
        ("boolean", "true", True),
        ("boolean", "False", False),
        ("boolean", True, True),
        ("array", "[1, 2]", [1, 2]),
        ("array", "['a', None]", ["a", None]),
        ("object", '{"a": null}', {"a": None}),
        ("object", {"a": 1}, {"a": 1}),
        ("string", "x", "x"),
        ("string", NONE_MARK, None),
        ("integer", NONE_MARK, None),
        ("integer", None, None),
        (None, "5", "5"),
    ],
)
def test_casts(kind, value, expected):
    made = cast(value, {"type": kind} if kind else {}, "p")
    assert made == expected
    assert type(made) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", "x"),
        ("number", "x"),
        ("boolean", "perhaps"),
        ("array", "not a list("),
        ("object", "x"),
        ("string", 5),
    ],
)
def test_a_value_of_the_wrong_type_names_the_parameter(kind, value):
    with pytest.raises(InvalidInput, match="Parameter 'p'.*" + kind) as caught:
        cast(value, {"type": kind}, "p")
    assert caught.value.where == "p"


def test_a_secret_that_cannot_be_cast_is_not_quoted():
    with pytest.raises(InvalidInput) as caught:
        cast("hunter2", {"type": "integer", "secret": True}, "pin")
    assert "hunter2" not in str(caught.value)


def test_parameters_are_split_between_runner_and_action():
    assert split({"cmd": {}}, {"cmd": "ls", "x": 1}) == ({"cmd": "ls"}, {"x": 1})
