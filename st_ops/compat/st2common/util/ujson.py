"""Copies of JSON values."""

import copy

__all__ = ["fast_deepcopy"]


def fast_deepcopy(value, *_arguments, **_named):
    """A deep copy."""
    return copy.deepcopy(value)
