"""Errors of actions."""


class InvalidActionException(Exception):
    """An action that cannot be used."""


class ActionRunnerException(Exception):
    """A run that went wrong."""
