"""What a pack may import, and all it may import. Standard library only, Python 3.8 and later."""

from st_ops.sdk.actions import ActionFailed, Secret, action
from st_ops.sdk.context import Context
from st_ops.sdk.sensors import SensorIdle, poll, sensor

__all__ = ["ActionFailed", "Context", "Secret", "SensorIdle", "action", "poll", "sensor"]
