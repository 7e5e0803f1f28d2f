"""The statuses of an execution and the moves between them that are legal (StackStorm's names)."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where an execution is. Terminal ones are never left."""

    REQUESTED = "requested"
    SCHEDULED = "scheduled"
    DELAYED = "delayed"
    RUNNING = "running"
    PENDING = "pending"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUMING = "resuming"
    CANCELING = "canceling"
    CANCELED = "canceled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMEOUT = "timeout"
    ABANDONED = "abandoned"

    @property
    def terminal(self) -> bool:
        """True when the execution is over."""
        return self in TERMINAL


_S = Status

TERMINAL = frozenset({_S.CANCELED, _S.SUCCEEDED, _S.FAILED, _S.TIMEOUT, _S.ABANDONED})

#: Statuses in which a worker or engine holds the execution.
HELD = frozenset({_S.RUNNING, _S.PAUSING, _S.PAUSED, _S.RESUMING, _S.CANCELING, _S.PENDING})

#: Statuses from which a person may cancel (StackStorm 1.10).
CANCELABLE = frozenset(
    {_S.REQUESTED, _S.SCHEDULED, _S.DELAYED, _S.RUNNING, _S.PENDING, _S.PAUSING, _S.PAUSED, _S.RESUMING}
)

_ENDS = frozenset({_S.SUCCEEDED, _S.FAILED, _S.TIMEOUT, _S.ABANDONED, _S.CANCELED})

#: present status → the statuses that may follow.
#: ``running → requested`` is the second try of an idempotent action whose worker died;
#: ``running → delayed`` is a further try that a retry policy asks for;
#: ``scheduled → requested`` hands back what a draining worker has not started;
#: ``pending → requested`` runs again what a probe says took no effect.
LEGAL_MOVES: dict[Status, frozenset[Status]] = {
    _S.REQUESTED: frozenset({_S.SCHEDULED, _S.DELAYED, _S.RUNNING, _S.CANCELING, _S.CANCELED, _S.FAILED}),
    _S.SCHEDULED: frozenset({_S.REQUESTED, _S.DELAYED, _S.RUNNING, _S.CANCELING, _S.CANCELED, _S.FAILED}),
    _S.DELAYED: frozenset({_S.REQUESTED, _S.SCHEDULED, _S.RUNNING, _S.CANCELING, _S.CANCELED, _S.FAILED}),
    _S.RUNNING: _ENDS | {_S.REQUESTED, _S.DELAYED, _S.PENDING, _S.PAUSING, _S.PAUSED, _S.CANCELING},
    _S.PENDING: _ENDS | {_S.REQUESTED, _S.RUNNING, _S.RESUMING, _S.CANCELING},
    _S.PAUSING: _ENDS | {_S.PAUSED, _S.RUNNING, _S.RESUMING, _S.CANCELING},
    _S.PAUSED: frozenset({_S.RESUMING, _S.RUNNING, _S.CANCELING, _S.CANCELED, _S.FAILED, _S.TIMEOUT}),
    _S.RESUMING: _ENDS | {_S.RUNNING, _S.PAUSING, _S.CANCELING},
    _S.CANCELING: _ENDS,
    **{status: frozenset() for status in TERMINAL},
}


#: What a person may say of an execution whose outcome the platform does not know. No engine may.
RESOLUTIONS: dict[Status, frozenset[Status]] = {
    status: frozenset({_S.SUCCEEDED, _S.FAILED}) for status in (_S.ABANDONED, _S.PENDING)
}


def may_move(current: Status, wanted: Status) -> bool:
    """True when ``wanted`` may follow ``current``."""
    return wanted in LEGAL_MOVES[current]
