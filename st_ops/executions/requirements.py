"""Executions that wait for another action's success: held back by a slot row of limit 0 until it is there.

The row is written with the execution and opened in the transaction in which the required action succeeds; the
sweep finds what a race between the two left, and ends what has waited too long.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any

from st_ops.errors import InvalidInput
from st_ops.model.executions import Execution
from st_ops.model.identity import iso, now, parse_time
from st_ops.model.limits import SlotLimit
from st_ops.model.requirements import Requirement, parse_require
from st_ops.model.resources import Action
from st_ops.model.status import Status
from st_ops.store import executions, run_keys, slots
from st_ops.store.database import Tx
from st_ops.store.executions import Move, Moved

#: Where an execution's context says what it waits for.
CONTEXT_KEY = "require"


def requirements_of(
    action: Action, run_key: str | None, render: Callable[[str], str]
) -> tuple[Requirement, ...]:
    """What an execution of ``action`` under ``run_key`` requires; ``render`` fills templates.

    Raises InvalidInput when a run key is needed and there is none, ExpressionError.
    """
    if not action.require:
        return ()
    found = []
    for wanted in parse_require(action.require):
        if wanted.within is None:
            key = render(wanted.run_key) if wanted.run_key else run_key or ""
            if not key:
                raise InvalidInput(
                    f"'{action.ref}' requires a success of '{wanted.action}' under the same run key, and none was "
                    "given. Ask with a run key (--run-key).", where="run_key",
                )  # fmt: skip
            wanted = wanted.model_copy(update={"run_key": key})
        found.append(wanted)
    return tuple(found)


def held_back(tx: Tx, entry: Execution, required: Sequence[Requirement]) -> tuple[Execution, list[SlotLimit]]:
    """The execution with what it waits for noted in it, and the slots that hold it back; unchanged when all is met."""
    unmet = [wanted for wanted in required if not _is_met(tx, wanted)]
    if not unmet:
        return entry, []
    notes = [
        {**wanted.model_dump(), "until": iso(entry.created_at + timedelta(seconds=wanted.timeout))}
        for wanted in unmet
    ]
    reason = f"waits for {' and '.join(wanted.sentence for wanted in unmet)}"
    noted = entry.model_copy(update={"context": {**entry.context, CONTEXT_KEY: notes}, "reason": reason})
    return noted, [SlotLimit(key=wanted.slot, limit=0) for wanted in unmet]


def open_for(tx: Tx, over: Sequence[Moved], required: Collection[str]) -> set[str]:
    """Executions ended: open the slots of what waited for their success; answers the keys to admit.

    ``required``: refs of the actions that some action requires, so that all others cost nothing.
    """
    keys = set()
    for entry in over:
        execution = entry.execution
        if execution is None or entry.move.status is not Status.SUCCEEDED or execution.action not in required:
            continue
        keys.add(Requirement(action=execution.action, within=1.0).slot)
        if execution.run_key:
            keys.add(Requirement(action=execution.action, run_key=execution.run_key).slot)
    return slots.open_closed(tx, keys)


def anything_waits(tx: Tx) -> bool:
    """True when some execution waits for another's success."""
    return bool(slots.closed(tx, limit=1))


def sweep(tx: Tx) -> tuple[set[str], list[Move]]:
    """The keys of what is met by now, opened; and the ends of what has waited too long."""
    waiting = slots.closed(tx)
    entries = executions.get_many(tx, {identifier for identifier, _ in waiting})
    met: dict[str, bool] = {}
    moves = []
    moment = now()
    for entry in entries.values():
        for note in _notes(entry):
            wanted = Requirement.model_validate({key: note[key] for key in Requirement.model_fields})
            if wanted.slot not in met:
                met[wanted.slot] = _is_met(tx, wanted)
            if not met[wanted.slot] and parse_time(note["until"]) <= moment:
                reason = f"waited {wanted.timeout:g} s in vain for {wanted.sentence}"
                result = {"error": reason, "failed": True}
                moves.append(Move(
                    execution_id=entry.id, status=Status.FAILED, reason=reason, result=result, final=True,
                    only_from=frozenset({Status.DELAYED}),
                ))  # fmt: skip
                break
    return slots.open_closed(tx, {key for key, is_met in met.items() if is_met}), moves


def _notes(entry: Execution) -> Sequence[dict[str, Any]]:
    notes = entry.context.get(CONTEXT_KEY)
    return notes if isinstance(notes, list) else []


def _is_met(tx: Tx, wanted: Requirement) -> bool:
    if wanted.within is not None:
        return run_keys.succeeded(tx, wanted.action, since=now() - timedelta(seconds=wanted.within))
    return run_keys.succeeded(tx, wanted.action, run_key=wanted.run_key)
