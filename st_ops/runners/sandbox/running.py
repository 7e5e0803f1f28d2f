"""One job of a sandbox, as its parent knows it. Standard library only, Python 3.8 and later."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any, Mapping

#: Seconds a killed process may take to die (it may hang in the kernel) before its job is reported without it.
DEATH_SECONDS = 2.0


class Running:
    """A job: its number, its child, and how far its end has come."""

    def __init__(self, number: int, status_fd: int, workdir: str, keep: bool) -> None:
        self.number = number
        self.status_fd = status_fd
        self.workdir = workdir
        self.keep = keep
        self.pid = 0
        #: What it starts has higher process numbers than this.
        self.first = 0
        self.since = time.monotonic()
        self.kill_at: float | None = None
        self.report: dict[str, Any] = {}
        self.report_by = 0.0

    def end(self, status: int, usage: Any) -> None:
        """Its child has ended, with ``status`` as waitpid gives it and ``usage`` as getrusage does."""
        self.report = {
            "pid": self.pid,
            "status": status,
            "cpu": round(usage.ru_utime + usage.ru_stime, 6),
            "rss_kb": usage.ru_maxrss,
        }
        self.report_by = time.monotonic() + DEATH_SECONDS


def say(fd: int, message: Mapping[str, Any]) -> None:
    """Tell the worker, on the status pipe ``fd`` of a job."""
    with contextlib.suppress(OSError):  # the worker is gone
        os.write(fd, json.dumps(message).encode("utf-8"))
