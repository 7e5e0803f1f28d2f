"""Where the real client has these."""

from st2client.models import ActionAlias, ActionAliasMatch

__all__ = ["ActionAlias", "ActionAliasMatch"]
