"""Where the real client has these."""

from st2client.models import ActionAliasExecution, ActionAliasMatch

__all__ = ["ActionAliasExecution", "ActionAliasMatch"]
