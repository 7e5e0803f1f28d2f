"""The variables of a branch: shared, extended, merged."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from st_ops.workflows.context import Context, merged


def test_publishing_leaves_the_old_context_as_it_was() -> None:
    old = Context.of({"a": 1})
    new = old.publish({"a": 2, "b": 3}, 1)
    assert (dict(old), dict(new)) == ({"a": 1}, {"a": 2, "b": 3})


def test_what_both_branches_inherited_does_not_overwrite_what_one_published() -> None:
    fork = Context.of({"a": 1}).publish({"a": 2}, 1)
    changed = fork.publish({"a": 3}, 2)
    assert dict(changed.merge(fork, 3)) == dict(fork.merge(changed, 3)) == {"a": 3}


def test_of_two_values_published_apart_that_of_the_later_branch_wins() -> None:
    fork = Context.of({"a": 1})
    left, right = fork.publish({"a": "left"}, 1), fork.publish({"a": "right"}, 2)
    assert (left.merge(right, 3)["a"], right.merge(left, 3)["a"]) == ("right", "left")


def test_a_value_that_a_merge_chose_counts_as_made_from_both() -> None:
    fork = Context.of({"a": 1})
    left, right = fork.publish({"a": "left"}, 1), fork.publish({"a": "right"}, 2)
    both = left.merge(right, 3)
    assert both.merge(left, 4)["a"] == "right"


def test_private_names_are_not_part_of_a_context() -> None:
    context = Context.of({"__secret": 1, "a": 2})
    assert (dict(context), "__secret" in context, len(context)) == ({"a": 2}, False, 1)


def test_dicts_merge_to_any_depth_without_changing_either() -> None:
    under, over = {"a": {"b": 1, "c": [1]}}, {"a": {"c": [2]}}
    assert merged(under, over) == {"a": {"b": 1, "c": [2]}}
    assert under == {"a": {"b": 1, "c": [1]}}


@given(st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(), max_size=4), max_size=30))
def test_a_context_is_what_a_dict_would_be_after_the_same_updates(updates: list[dict[str, int]]) -> None:
    context, plain = Context(), {}
    for at, update in enumerate(updates):
        context = context.publish(update, at)
        plain.update(update)
    assert dict(context) == plain
    sizes = [len(layer) for layer in context.layers]
    assert all(below >= 2 * above for above, below in pairwise(sizes))
