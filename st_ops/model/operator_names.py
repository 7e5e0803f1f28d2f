"""The names of the criteria operators (StackStorm 1.6), so that a rule can be checked without the matcher.

``st_ops.rules.operators`` implements them; a test holds the two lists equal.
"""

from __future__ import annotations

OPERATOR_NAMES: tuple[str, ...] = (
    "contains",
    "endswith",
    "eq",
    "equals",
    "exists",
    "greaterthan",
    "gt",
    "icontains",
    "iendswith",
    "iequals",
    "ieq",
    "in",
    "incontains",
    "inside",
    "iregex",
    "istartswith",
    "lessthan",
    "lt",
    "matchregex",
    "matchwildcard",
    "ncontains",
    "neq",
    "nequals",
    "nexists",
    "nin",
    "ninside",
    "regex",
    "search",
    "startswith",
    "td_gt",
    "td_lt",
    "timediff_gt",
    "timediff_lt",
)
