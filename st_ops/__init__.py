"""st_ops: an event-driven operations automation platform."""

__version__ = "0.1.0"
