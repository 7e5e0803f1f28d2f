"""The environment of a child: an allow-list of the platform's, the mark it is found by, and what the job gives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from st_ops.runners.base import Job
from st_ops.runners.options import RunnerOptions

#: Names the worker that started a process; every process of a run has it in its environment.
MARK = "ST_OPS_SANDBOX"

#: A PATH for platforms that were started without one.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def clean_environment(options: RunnerOptions, mark: str) -> dict[str, str]:
    """What every child sees: the allowed variables of this process, and the mark."""
    exact = {name for name in options.environment if not name.endswith("*")}
    prefixes = tuple(name[:-1] for name in options.environment if name.endswith("*"))
    allowed = {
        name: value
        for name, value in os.environ.items()
        if name in exact or (prefixes and name.startswith(prefixes))
    }
    # Last: nothing of ours stands before a program of the machine.
    path = ":".join(filter(None, [allowed.get("PATH", _PATH), options.tools]))
    return {**allowed, "PATH": path, MARK: mark}


def job_environment(job: Job, base: Mapping[str, str], *, python: bool = False) -> dict[str, str]:
    """What ``job`` adds to ``base``: the action's ``env`` parameter, then the platform's own variables.

    PYTHONPATH cannot be given to a Python action (StackStorm 1.3); null values are left out.
    """
    asked = {
        str(name): _text(value)
        for name, value in (job.runner_parameters.get("env") or {}).items()
        if value is not None and not (python and str(name).upper() == "PYTHONPATH")
    }
    environment = {**asked, **job.environment, "ST_OPS_EXECUTION_ID": job.execution.id, MARK: base[MARK]}
    if job.artifacts:
        environment["ST_OPS_ARTIFACTS"] = job.artifacts
    if job.python:
        # The virtualenv's programs first, as when it is activated.
        bin_folder = Path(job.python).parent
        environment["PATH"] = f"{bin_folder}:{environment.get('PATH', base['PATH'])}"
        environment["VIRTUAL_ENV"] = str(bin_folder.parent)
    return environment


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
