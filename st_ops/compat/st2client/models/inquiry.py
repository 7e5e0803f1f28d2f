"""Where the real client has these."""

from st2client.models import Inquiry

__all__ = ["Inquiry"]
