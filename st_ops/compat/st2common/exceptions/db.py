"""Errors of the store."""


class StackStormDBObjectNotFoundError(Exception):
    """Something looked up is not there."""


class StackStormDBObjectConflictError(Exception):
    """Something to be made is already there."""
