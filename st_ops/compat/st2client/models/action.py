"""Where the real client has these."""

from st2client.models import Action, Execution, LiveAction

__all__ = ["Action", "Execution", "LiveAction"]
