"""The base class of Python actions."""

import abc

from st_ops.sdk.context import PackConfig
from st_ops.sdk.stackstorm import stderr_logger

__all__ = ["Action"]


class Action(metaclass=abc.ABCMeta):
    """A Python action: ``run`` takes the parameters and returns a result, or ``(succeeded, result)``."""

    description = None

    def __init__(self, config=None, action_service=None):
        pack = getattr(action_service, "_pack", "unknown")
        self.config = config if isinstance(config, PackConfig) else PackConfig(pack, config)
        self.action_service = action_service
        level = getattr(action_service, "_log_level", "DEBUG")
        self.logger = stderr_logger(f"actions.python.{type(self).__name__}", str(level))

    @abc.abstractmethod
    def run(self, **kwargs):
        """Do the work."""
