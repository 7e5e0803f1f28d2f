"""What actions are given."""

from st_ops.sdk.stackstorm import ActionService

__all__ = ["ActionService"]
