"""Where the real client has these."""

from st2client.models import KeyValuePair

__all__ = ["KeyValuePair"]
