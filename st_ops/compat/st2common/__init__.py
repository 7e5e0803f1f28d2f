"""StackStorm's common package, as far as packs use it."""

#: The StackStorm version whose behaviour this follows; packs compare it.
__version__ = "3.9.0"
