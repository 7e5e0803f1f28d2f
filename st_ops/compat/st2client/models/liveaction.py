"""Where the real client has these."""

from st2client.models import LiveAction

__all__ = ["LiveAction"]
