"""Where the real client has these."""

from st2client.models import Rule

__all__ = ["Rule"]
