"""Where the base class of Python actions was before StackStorm 2.5."""

from st2common.runners.base_action import Action

__all__ = ["Action"]
