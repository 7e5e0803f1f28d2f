"""Errors about content."""

from st_ops.sdk.aliases import NoMatch as ParseException

__all__ = ["ParseException"]
