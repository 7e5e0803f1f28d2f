"""A small client of the API with the names of StackStorm's own, for actions that use it.

The real one, when a pack requires it, is found first.
"""

__version__ = "3.9.0"
