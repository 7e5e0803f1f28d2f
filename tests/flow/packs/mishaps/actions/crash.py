"""Raises in the middle."""

from st_ops.sdk import action


@action
def crash(count: int) -> int:
    """Divide by zero."""
    return count // (count - count)
