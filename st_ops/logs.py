"""Logging: one logger per module, facts in ``extra`` under the prefix ``st_ops_``.

``configure`` is called once per process. Lines go to stderr as text, or as JSON objects for machines.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

#: Prefix of every key we put in ``extra``, so that no logging attribute is shadowed.
PREFIX = "st_ops_"


def facts(**values: object) -> dict[str, object]:
    """``log.info("…", extra=facts(execution_id=…))``: the given facts, prefixed for ``extra``."""
    return {PREFIX + key: value for key, value in values.items()}


def _facts_of(record: logging.LogRecord) -> dict[str, object]:
    found = vars(record)
    return {key[len(PREFIX) :]: found[key] for key in found if key.startswith(PREFIX)}


class TextFormatter(logging.Formatter):
    """``2026-01-02T03:04:05.678Z INFO st_ops.rules.engine message key=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """One entry, with its traceback below it where there is one."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        tail = "".join(f" {key}={value}" for key, value in _facts_of(record).items())
        line = f"{at.replace('+00:00', 'Z')} {record.levelname} {record.name} {record.getMessage()}{tail}"
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: at, level, logger, message, the facts, and traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One entry."""
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_facts_of(record),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure(level: str = "info", form: str = "text") -> None:
    """Send this process's log lines from ``level`` (debug, info, warning, error) up to stderr, as ``form`` says."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("st_ops").setLevel(level.upper())
