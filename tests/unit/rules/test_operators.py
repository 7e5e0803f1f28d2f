"""StackStorm's operators (reference 1.6)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from st_ops.model.operator_names import OPERATOR_NAMES
from st_ops.rules.operators import NAMES, OPERATORS

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def test(name: str, value: Any, pattern: Any) -> bool:
    return OPERATORS[name](pattern)(value, NOW)


test.__test__ = False  # type: ignore[attr-defined]  # it asks an operator, it is no test


@pytest.mark.parametrize(
    ("name", "value", "pattern", "expected"),
    [
        ("equals", 1, 1, True),
        ("equals", "1", 1, False),
        ("eq", 1.0, True, True),
        ("eq", b"x", "x", True),
        ("eq", None, None, False),
        ("eq", [1, {"a": 2}], [1, {"a": 2}], True),
        ("nequals", "1", 1, True),
        ("neq", None, None, False),
        ("neq", 1, None, True),
        ("iequals", "ABC", "abc", True),
        ("ieq", "ABC", "abd", False),
        ("contains", "haystack", "st", True),
        ("contains", ["a", 1], 1, True),
        ("contains", {"key": 1}, "key", True),
        ("contains", "x", None, False),
        ("ncontains", ["a"], "b", True),
        ("ncontains", "x", None, False),
        ("icontains", "HAYSTACK", "sT", True),
        ("incontains", "HAYSTACK", "sT", False),
        ("startswith", "abc", "ab", True),
        ("startswith", "abc", "AB", False),
        ("istartswith", "abc", "AB", True),
        ("endswith", "abc", "bc", True),
        ("iendswith", "abc", "BC", True),
        ("lessthan", 1, 2, True),
        ("lt", "a", "b", True),
        ("greaterthan", 2, 1, True),
        ("gt", 1, 1, False),
        ("gt", 1, None, False),
        ("matchwildcard", "host-1.example", "host-*.exa?ple", True),
        ("matchwildcard", "Host", "host", False),
        ("matchregex", "a\nb", "a.b", True),
        ("matchregex", "xab", "ab", False),
        ("regex", "xab", "ab", True),
        ("regex", "a\nb", "a.b", False),
        ("regex", "xAB", "ab", False),
        ("iregex", "xAB", "ab", True),
        ("regex", b"xab", "ab", True),
        ("regex", "x", None, False),
        ("timediff_lt", "2026-01-01T11:59:00Z", 61, True),
        ("td_lt", "2026-01-01T11:59:00", "60", False),
        ("td_lt", "2026-01-01T13:59:00+02:00", 61, True),
        ("timediff_gt", "Jan 1 2026 11:00", 3599, True),
        ("td_gt", "2026-01-01T13:00:00Z", 0, False),
        ("exists", 0, "ignored", True),
        ("exists", None, None, False),
        ("nexists", None, "ignored", True),
        ("nexists", "", None, False),
        ("inside", "b", ["a", "b"], True),
        ("in", "b", "abc", True),
        ("in", "b", None, False),
        ("ninside", "c", ["a", "b"], True),
        ("nin", "b", ["a", "b"], False),
    ],
)
def test_an_operator_decides(name, value, pattern, expected):
    assert test(name, value, pattern) is expected


@pytest.mark.parametrize(
    ("name", "value", "pattern"),
    [
        ("iequals", None, "x"),
        ("iequals", 5, "x"),
        ("contains", 5, "x"),
        ("contains", None, "x"),
        ("icontains", ["a"], "a"),
        ("startswith", None, "x"),
        ("lt", "5", 6),
        ("gt", None, 1),
        ("regex", 5, "5"),
        ("regex", "x", "("),
        ("regex", "x", 5),
        ("matchwildcard", 5, "*"),
        ("matchwildcard", "5", 5),
        ("td_lt", "not a time", 5),
        ("td_lt", None, 5),
        ("td_lt", "2026-01-01", "soon"),
        ("in", 5, "abc"),
    ],
)
def test_a_type_that_an_operator_cannot_use_raises(name, value, pattern):
    operator = OPERATORS[name](pattern)
    with pytest.raises(Exception, match=r"."):
        operator(value, NOW)


def test_the_list_of_names_for_checking_packs_is_the_list_of_operators():
    assert set(OPERATOR_NAMES) == NAMES
