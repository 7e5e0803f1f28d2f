"""Loggers with StackStorm's level AUDIT."""

import logging

from st_ops.sdk.stackstorm import AUDIT

__all__ = ["AUDIT", "CRITICAL", "DEBUG", "ERROR", "INFO", "WARNING", "getLogger", "setup"]

CRITICAL, ERROR, WARNING, INFO, DEBUG = (
    logging.CRITICAL,
    logging.ERROR,
    logging.WARNING,
    logging.INFO,
    logging.DEBUG,
)
logging.AUDIT = AUDIT  # type: ignore[attr-defined]  # StackStorm adds it to the module


def _audit(self, message, *arguments, **named):
    if self.isEnabledFor(AUDIT):
        self._log(AUDIT, message, arguments, **named)


logging.Logger.audit = _audit  # type: ignore[attr-defined]  # likewise


def getLogger(name):
    """A logger below ``st2``."""
    return logging.getLogger(name if name.startswith("st2") else f"st2.{name}")


def setup(*_arguments, **_named):
    """Logging is set up by the process that runs the pack's code."""
