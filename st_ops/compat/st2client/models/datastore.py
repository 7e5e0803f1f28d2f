"""Where the real client had these."""

from st2client.models import KeyValuePair

__all__ = ["KeyValuePair"]
