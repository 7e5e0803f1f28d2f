from typing import Any

import pytest

from st_ops.errors import InvalidInput
from st_ops.expressions.parameter_schema import (
    effective_schema,
    forbidden_overrides,
    positional,
    validate,
    validate_payload,
)

SCHEMA: dict[str, Any] = {
    "host": {"type": "string", "required": True, "pattern": "^[a-z0-9]+$"},
    "count": {"type": "integer", "minimum": 1},
    "size": {"type": "string", "enum": ["s", "m"], "required": True, "default": "s"},
    "fixed": {"type": "string", "immutable": True, "default": "x"},
    "options": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "required": True},
            "note": {"type": "string"},
            "kind": {"type": "string", "required": True, "default": "a"},
            "level": {"type": "string", "enum": ["low", "high"]},
        },
        "additionalProperties": False,
    },
    "hosts": {
        "type": "array",
        "items": {"type": "object", "properties": {"ip": {"type": "string", "required": True}}},
    },
    "any": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]},
    "pin": {"type": "string", "secret": True, "maxLength": 4},
}


def test_good_parameters_pass():
    validate(SCHEMA, {"host": "web1"})
    validate(
        SCHEMA,
        {
            "host": "web1",
            "count": 2,
            "size": "m",
            "options": {"name": "n", "note": None, "level": None},
            "hosts": [{"ip": "1"}],
            "any": True,
        },
    )


def test_an_optional_parameter_without_a_default_may_be_null():
    validate(SCHEMA, {"host": "web1", "count": None, "options": None, "any": None})


@pytest.mark.parametrize(
    ("values", "name", "complaint"),
    [
        ({}, "host", "is required and was not given"),
        ({"host": None}, "host", "None is not of type 'string'"),
        ({"host": "Web 1"}, "host", "does not match"),
        ({"host": "a", "count": "2"}, "count", "'2' is not of type 'integer'"),
        ({"host": "a", "count": 0}, "count", "minimum"),
        ({"host": "a", "size": "xl"}, "size", "'xl' is not one of"),
        ({"host": "a", "size": None}, "size", "None is not"),
        ({"host": "a", "fixed": "y"}, "fixed", "is immutable"),
        ({"host": "a", "nope": 1}, "nope", "is not a parameter of this action; it has any, count"),
        ({"host": "a", "options": {}}, "options", "'name' is a required property"),
        ({"host": "a", "options": {"name": 5}}, "options", r"at \.name: 5 is not of type 'string'"),
        ({"host": "a", "options": {"name": "n", "x": 1}}, "options", "Additional properties"),
        ({"host": "a", "hosts": [{"ip": "1"}, {}]}, "hosts", r"at \[1\]: 'ip' is a required property"),
        ({"host": "a", "any": "x"}, "any", "is not"),
    ],
)
def test_bad_parameters_are_named(values, name, complaint):
    with pytest.raises(InvalidInput, match=complaint) as caught:
        validate(SCHEMA, values)
    assert caught.value.where == name
    assert f"'{name}'" in str(caught.value)


def test_the_value_of_a_secret_is_not_quoted():
    with pytest.raises(InvalidInput) as caught:
        validate(SCHEMA, {"host": "a", "pin": "hunter2"})
    assert "hunter2" not in str(caught.value)
    assert "maxLength 4" in str(caught.value)


def test_a_schema_that_is_wrong_itself_is_told_and_not_thrown():
    with pytest.raises(InvalidInput, match="its schema is wrong"):
        validate({"a": {"type": "string", "pattern": "("}}, {"a": "x"})
    with pytest.raises(InvalidInput, match="its schema is wrong"):
        validate({"a": {"type": "text"}}, {"a": "x"})


def test_an_action_overrides_of_its_runner_only_what_it_may():
    runner: dict[str, Any] = {
        "cmd": {"type": "string", "default": "ls", "position": 0},
        "parallel": {"type": "boolean", "immutable": True, "default": True},
        "timeout": {"type": "integer", "default": 60},
    }
    action: dict[str, Any] = {
        "cmd": {"type": "integer", "default": "date", "immutable": True, "secret": True},
        "parallel": {"default": False, "immutable": False},
        "timeout": {"default": None, "description": "how long"},
        "own": {"type": "string"},
    }
    merged = effective_schema(runner, action)
    assert merged["cmd"] == {
        "type": "string",
        "default": "date",
        "position": 0,
        "immutable": True,
        "secret": True,
    }
    assert merged["parallel"] == runner["parallel"]
    assert merged["timeout"] == {"type": "integer", "default": 60, "description": "how long"}
    assert merged["own"] == {"type": "string"}
    assert forbidden_overrides(runner, action) == [("cmd", "type"), ("cmd", "secret")]


def test_positional_parameters_come_in_order():
    assert positional({"b": {"position": 1}, "x": {}, "a": {"position": 0}}) == ["a", "b"]


def test_a_payload_is_checked_by_the_schema_of_its_type():
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "required": True}, "note": {"type": "string"}},
    }
    validate_payload(schema, {"n": 1, "note": None, "more": 2})
    with pytest.raises(InvalidInput, match="n: 'x' is not of type 'integer'") as caught:
        validate_payload(schema, {"n": "x"})
    assert caught.value.where == "n"
