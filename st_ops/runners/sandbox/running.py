"""One job of a sandbox, as its parent knows it. Standard library only, Python 3.8 and later."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from typing import Any, Iterable, Mapping, NoReturn

from st_ops.runners.sandbox import kernel

#: Seconds a killed process may take to die (it may hang in the kernel) before its job is reported without it.
DEATH_SECONDS = 2.0


class Running:
    """A job: its number, its child, and how far its end has come."""

    def __init__(self, number: int, status_fd: int, workdir: str, keep: bool, most: int) -> None:
        """``most``: processes it may have at once, 0 = any number."""
        self.number = number
        self.status_fd = status_fd
        self.workdir = workdir
        self.keep = keep
        self.pid = 0
        #: What it starts has higher process numbers than this.
        self.first = 0
        self.most = most
        #: Processes and threads of the machine when it had few; how many more there are bounds its number.
        self.tasks = kernel.total_tasks() if most else 0
        self.exceeded = False
        self.since = time.monotonic()
        self.kill_at: float | None = None
        self.report: dict[str, Any] = {}
        self.report_by = 0.0

    def end(self, status: int) -> None:
        """Its child has ended, with ``status`` as waitpid gives it."""
        self.report = {"status": status}
        if self.exceeded:
            self.report["exceeded"] = "processes"
        self.report_by = time.monotonic() + DEATH_SECONDS


def kill_those_that_multiply(jobs: Iterable[Running]) -> None:
    """Kill every job that has more processes than it may. Looking at all processes is dear: only where it may be so."""
    watched = [job for job in jobs if job.most and not job.exceeded]
    tasks = kernel.total_tasks() if watched else 0
    suspects = [job for job in watched if tasks - job.tasks >= job.most]
    for job in watched:
        job.tasks = min(job.tasks, tasks)
    if not suspects:
        return
    counts = kernel.families(job.pid for job in suspects)
    for job in suspects:
        job.tasks = tasks - counts[job.pid]
        if counts[job.pid] > job.most:
            job.exceeded = True
            kernel.signal_tree(job.pid, signal.SIGKILL)


def say(fd: int, message: Mapping[str, Any]) -> None:
    """Tell the worker, on the status pipe ``fd`` of a job."""
    with contextlib.suppress(OSError):  # the worker is gone
        os.write(fd, json.dumps(message).encode("utf-8"))


def remove_and_exit(workdir: str) -> NoReturn:
    """In a forked child: remove a job's folder, however large."""
    try:
        kernel.become_helper()
        import shutil

        shutil.rmtree(workdir, ignore_errors=True)
    finally:
        os._exit(0)
