"""``name=value`` becomes what the schema declares, or a sentence that names the parameter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from st_ops.cli.parameters import typed
from st_ops.errors import InvalidInput

SCHEMA: dict[str, Any] = {
    "text": {"type": "string"},
    "count": {"type": "integer"},
    "ratio": {"type": "number"},
    "loud": {"type": "boolean"},
    "names": {"type": "array"},
    "ports": {"type": "array", "items": {"type": "integer"}},
    "extra": {"type": "object"},
    "nothing": {"type": "null"},
    "free": {},
    "pin": {"type": "integer", "secret": True},
}


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("text=5", "5"),
        ("text=a=b", "a=b"),
        ("text=", ""),
        ("count=-3", -3),
        ("ratio=1.5", 1.5),
        ("ratio=2", 2),
        ("loud=Yes", True),
        ("loud=0", False),
        ("names=a, b", ["a", "b"]),
        ('names=["a", 1]', ["a", 1]),
        ("names=", []),
        ("ports=80,443", [80, 443]),
        ('extra={"a": [1]}', {"a": [1]}),
        ("nothing=null", None),
        ("free=5", 5),
        ("free=hello", "hello"),
        ("count={{ st2kv.system.count }}", "{{ st2kv.system.count }}"),
        ("text=@@home", "@home"),
    ],
)
def test_a_value_gets_the_declared_type(argument: str, value: Any):
    found = typed([argument], SCHEMA, "Action 'x.y'")
    assert found == {argument.partition("=")[0]: value}


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("count=many", "Parameter 'count': 'many' is not a whole number."),
        ("ratio=x", "Parameter 'ratio': 'x' is not a number."),
        ("loud=perhaps", "Parameter 'loud': 'perhaps' is not true or false."),
        ("extra=[1]", "Parameter 'extra': '[1]' is not a JSON object such as"),
        ("names=[1", "Parameter 'names': '[1' is not a JSON array"),
        ("ports=a", "Parameter 'ports': 'a' is not a whole number."),
        ("cuont=1", "Action 'x.y' has no parameter 'cuont'. Did you mean 'count'?"),
        ("text", "'text' is not of the form name=value."),
        ("text=@/no/such/file", "Parameter 'text': cannot read the file '/no/such/file'"),
    ],
)
def test_a_wrong_value_is_refused_naming_the_parameter(argument: str, said: str):
    with pytest.raises(InvalidInput) as refused:
        typed([argument], SCHEMA, "Action 'x.y'")
    assert said in str(refused.value)


def test_a_secret_value_is_not_repeated_in_the_complaint():
    with pytest.raises(InvalidInput) as refused:
        typed(["pin=hush"], SCHEMA, "Action 'x.y'")
    assert "hush" not in str(refused.value)


def test_a_value_may_stand_in_a_file(tmp_path: Path):
    path = tmp_path / "extra.json"
    path.write_text('{"a": 1}\n')
    assert typed([f"extra=@{path}", f"text=@{path}"], SCHEMA, "") == {"extra": {"a": 1}, "text": '{"a": 1}\n'}
