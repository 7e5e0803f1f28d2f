"""Asking whether a run whose worker was lost took effect: what the probe is given, and what its answer means. Pure.

The lost execution is pending meanwhile; the probe is an execution of its own, whose end decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from st_ops.model.base import Object
from st_ops.model.executions import PROBED_BY, Execution
from st_ops.model.resources import Action
from st_ops.model.status import Status
from st_ops.security.secrets import is_sealed
from st_ops.store.executions import Move, Moved, Unset


def probe_parameters(lost: Execution, probe: Action | None) -> Object:
    """The parameters of the probe: of ``execution_id``, ``action``, ``parameters`` and the lost run's own, those that
    it declares. A secret goes only where a secret is declared.
    """
    declared: Mapping[str, Any] = probe.parameters if probe else {}
    plain = {name: value for name, value in lost.parameters.items() if not is_sealed(value)}
    known = {**lost.parameters, "execution_id": lost.id, "action": lost.action, "parameters": plain}
    return {
        name: value
        for name, value in known.items()
        if name in declared and (not is_sealed(value) or (declared[name] or {}).get("secret") is True)
    }


def asks_about(probe: Execution, lost: Execution) -> bool:
    """True when ``lost`` waits for the answer of this ``probe``."""
    noted = lost.context.get(PROBED_BY)
    return (
        lost.status is Status.PENDING and isinstance(noted, Mapping) and noted.get("execution_id") == probe.id
    )


def verdict(ended: Moved, lost: Execution) -> Move:
    """What the end of a probe means for the execution it asked about."""
    probe = ended.execution
    assert probe is not None
    said = f"execution {probe.id} of the probe '{probe.action}'"
    status, reason, result = Status.ABANDONED, "", None
    answer = None if isinstance(ended.move.result, Unset) else _answer(ended.move.result)
    if ended.move.status is not Status.SUCCEEDED:
        reason = f"{said} {ended.move.status}, so whether it took effect is unknown: {ended.move.reason}"
    elif answer is None:
        reason = (
            f"{said} does not say whether it took effect; expected a boolean or {{took_effect: …, result: …}}"
        )
    elif answer[0]:
        status, reason, result = (
            Status.SUCCEEDED,
            f"{said} says that it took effect",
            _shaped(lost, answer[1]),
        )
    else:
        status, reason = Status.REQUESTED, f"{said} says that it did not take effect, so it is run again"
    found = {"error": reason} if status is Status.ABANDONED else result
    return Move(
        execution_id=lost.id, status=status, actor=f"probe {probe.action}", reason=reason, final=True,
        only_from=frozenset({Status.PENDING}), result=found,
    )  # fmt: skip


def _answer(result: Any) -> tuple[bool, Any] | None:
    """Whether it took effect, and with which result; None when the probe's result does not say.

    The answer is the result itself, or stands where runners put what an action gives: ``result`` (Python),
    ``stdout`` (shell; JSON is an object there), ``output`` (workflows).
    """
    if isinstance(result, bool):
        return result, None
    if isinstance(result, str) and result.strip().lower() in ("true", "false"):
        return result.strip().lower() == "true", None
    if not isinstance(result, Mapping):
        return None
    if isinstance(result.get("took_effect"), bool):
        return result["took_effect"], result.get("result")
    for name in ("result", "stdout", "output"):
        found = _answer(result.get(name))
        if found is not None:
            return found
    return None


def _shaped(lost: Execution, result: Any) -> Any:
    """``result`` in the form in which the lost run would have given it."""
    if lost.runner == "python-script":
        return {"result": result, "exit_code": 0, "stdout": "", "stderr": ""}
    return result
