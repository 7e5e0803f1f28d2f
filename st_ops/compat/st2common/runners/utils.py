"""Helpers around Python actions."""

from st_ops.sdk.context import PackConfig as PackConfigDict
from st_ops.sdk.stackstorm import stderr_logger

__all__ = ["PackConfigDict", "get_action_class_instance", "get_logger_for_python_runner_action"]


def get_logger_for_python_runner_action(action_name, log_level="debug"):
    """The logger of an action, which prints to stderr."""
    return stderr_logger(f"actions.python.{action_name}", log_level)


def get_action_class_instance(action_cls, config=None, action_service=None):
    """An instance of ``action_cls``; one that takes no ``action_service`` gets it set afterwards."""
    try:
        return action_cls(config=config, action_service=action_service)
    except TypeError as error:
        if "unexpected keyword argument 'action_service'" not in str(error):
            raise
    instance = action_cls(config=config)
    instance.action_service = action_service
    return instance
