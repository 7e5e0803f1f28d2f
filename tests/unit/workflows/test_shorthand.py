"""Orquesta's shorthands."""

from __future__ import annotations

import pytest

from st_ops.workflows.dialects.shorthand import inline_pairs, split_action, split_items, target_names


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a=1 b=-2.5 c=true d=FALSE e=null", [("a", 1), ("b", -2.5), ("c", True), ("d", False), ("e", None)]),
        ("a=<% ctx(x) %> b={{ ctx('y') }}", [("a", "<% ctx(x) %>"), ("b", "{{ ctx('y') }}")]),
        ("a=\"two words\" b='1'", [("a", "two words"), ("b", "1")]),
        ("a=[1, 2]", [("a", [1, 2])]),
        ("a='{\"b\": 1}'", [("a", {"b": 1})]),
        ("plain words", []),
    ],
)
def test_inline_pairs_are_json_expressions_or_text(text: str, pairs: list[tuple[str, object]]) -> None:
    assert inline_pairs(text) == pairs


def test_an_action_is_split_from_its_inline_input() -> None:
    assert split_action("core.local cmd=<% ctx(c) %>") == ("core.local", {"cmd": "<% ctx(c) %>"})
    assert split_action("<% ctx(action) %>") == ("<% ctx(action) %>", None)


def test_items_may_be_named() -> None:
    assert split_items("<% ctx(xs) %>") == ((), "<% ctx(xs) %>")
    assert split_items("a, b in {{ zip(x, y) }}") == (("a", "b"), "{{ zip(x, y) }}")
    assert split_items("a in [1]") is None


def test_targets_may_be_text_or_a_list() -> None:
    assert target_names("a, b") == target_names(["a", "b"]) == ("a", "b")
    assert target_names(None) == ("continue",)
