"""Returns what JSON does not have."""

from st_ops.sdk import action


@action
def no_json() -> object:
    """A complex number."""
    return {"value": 3 + 4j}
