"""Tests of packs need no configuration here."""

__all__ = ["parse_args"]


def parse_args(*_arguments, **_named):
    """Do nothing."""
