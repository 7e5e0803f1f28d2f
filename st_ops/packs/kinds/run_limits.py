"""What one run of an action may use: our own key ``limits``."""

from __future__ import annotations

from typing import Any

from st_ops.errors import InvalidInput
from st_ops.model.run_limits import parse_run_limits
from st_ops.packs.problems import Fault


def check_run_limits(limits: Any, runner_type: str) -> list[Fault]:
    """What is wrong with ``limits``, each key on its own; a value that is no mapping has been told of already."""
    if not isinstance(limits, dict):
        return []
    faults = []
    for name, value in limits.items():
        try:
            parse_run_limits({name: value}, runner_type)
        except InvalidInput as error:
            faults.append(Fault(("limits", name), str(error)))
    return faults
