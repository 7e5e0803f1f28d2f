"""What sensors are given."""

from st_ops.sdk.stackstorm import SensorService

__all__ = ["SensorService"]
