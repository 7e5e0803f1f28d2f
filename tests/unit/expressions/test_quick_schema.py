"""The quick check never says yes where the full validator says no."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from st_ops.expressions.quick_schema import compiled

_TYPES = ("string", "integer", "number", "boolean", "null", "object", "array")
_KEYS = st.sampled_from(["a", "b", "c"])

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


def _schemas(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(_TYPES) | st.lists(st.sampled_from(_TYPES), min_size=1, unique=True),
            "properties": st.dictionaries(_KEYS, inner, max_size=3),
            "required": st.lists(_KEYS, min_size=1, unique=True),
            "additionalProperties": st.booleans(),
            "items": inner,
            "description": st.text(max_size=3),
            "minimum": st.integers(-2, 2),
            "enum": st.lists(st.integers() | st.text(max_size=2), min_size=1, unique=True),
        },
    )


@given(schema=st.recursive(st.just({}), _schemas, max_leaves=6), value=_VALUES)
def test_what_it_vouches_for_is_valid(schema: dict[str, Any], value: Any) -> None:
    quick = compiled(schema)
    if quick is not None and quick(value):
        assert Draft4Validator(schema).is_valid(value)


def test_it_vouches_for_the_usual_payload() -> None:
    schema = {
        "type": "object",
        "description": "as monitoring systems send them",
        "properties": {
            "host": {"type": "string"},
            "labels": {"type": ["object", "null"], "additionalProperties": True},
            "values": {"type": "array", "items": {"type": "number"}},
        },
        "required": ["host"],
    }
    quick = compiled(schema)
    assert quick is not None
    assert quick({"host": "web1", "labels": None, "values": [1, 2.5], "more": object()})
    assert not quick({"labels": {}})
    assert not quick({"host": 1})
    assert not quick({"host": "web1", "values": [True]})
    assert not quick([])


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^a"},
        {"type": "object", "properties": {"a": {"enum": [1]}}},
        {"type": "array", "items": [{"type": "string"}]},
        {"type": "nonsense"},
        {"required": True, "properties": {}},
        {"additionalProperties": {"type": "string"}},
        "not a schema",
    ],
)
def test_what_it_does_not_know_is_left_to_the_full_validator(schema: Any) -> None:
    assert compiled(schema) is None
