"""Where the real client has these."""

from st2client.models import Pack

__all__ = ["Pack"]
