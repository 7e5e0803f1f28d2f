"""Events: trigger instances, and what the rules made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from pydantic import Field

from st_ops.model.base import Model, Moment, Object
from st_ops.model.identity import new_id, now


class InstanceStatus(StrEnum):
    """Where a trigger instance is on its way through the rules."""

    PENDING = "pending"
    PROCESSED = "processed"
    PROCESSING_FAILED = "processing_failed"


class NewEvent(Model):
    """An event as it reaches intake, not yet stored.

    ``delivery`` names one delivery: the same one again is dropped and counted. ``series`` names the thing
    that is wrong (events of one series are matched in order); ``episode`` one outbreak of it.
    """

    trigger: str
    payload: Object = Field(default_factory=dict)
    delivery: str | None = None
    series: str = ""
    episode: str = ""
    trace_tag: str = ""
    #: The trace it continues; "" starts one of its own.
    trace_id: str = ""
    #: Where it came from, for people: ``webhook alertmanager``, ``sensor linux.FileWatch``, ``api admin``.
    source: str = ""


class TriggerInstance(Model):
    """One stored event. ``seq`` orders events; ``trigger`` is the ref of a trigger."""

    id: str = Field(default_factory=new_id)
    seq: int = 0
    trigger: str
    payload: Object = Field(default_factory=dict)
    occurrence_time: Moment = Field(default_factory=now)
    status: InstanceStatus = InstanceStatus.PENDING
    delivery: str | None = None
    series: str = ""
    episode: str = ""
    trace_id: str = ""
    trace_tag: str = ""
    source: str = ""
    #: How many further deliveries with the same identity were dropped.
    repeats: int = 0


class Accepted(Model):
    """Intake's answer: the id of the event on disk; ``duplicate`` when this delivery had been accepted before."""

    id: str
    duplicate: bool = False


class Trigger(Model):
    """A trigger type together with one set of parameters that some rule asked for."""

    ref: str
    type: str
    parameters: Object = Field(default_factory=dict)
    id: str = ""

    @property
    def pack(self) -> str:
        """The pack of the trigger's ref."""
        return self.ref.partition(".")[0]

    @property
    def name(self) -> str:
        """The ref without its pack."""
        return self.ref.partition(".")[2]


#: Namespace of the names of triggers with parameters.
_TRIGGERS = UUID("7b0f3c1e-5a53-5a0e-9d0e-2f6c1b7e4a10")


def trigger_ref_for(type_ref: str, parameters: Mapping[str, Any]) -> str:
    """The ref of the trigger of type ``type_ref`` with ``parameters``: the type's own ref when there are none.

    With parameters it is ``pack.<uuid>``, as in StackStorm, but the same every time (StackStorm draws one at
    random): made from the type and the parameters as canonical JSON, in which the order of keys does not count.
    """
    if not parameters:
        return type_ref
    canonical = json.dumps(parameters, sort_keys=True, separators=(",", ":"), default=str)
    return f"{type_ref.partition('.')[0]}.{uuid5(_TRIGGERS, f'{type_ref} {canonical}')}"


class EnforcementStatus(StrEnum):
    """Whether a matched rule produced an execution."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RuleEnforcement(Model):
    """One rule that matched (or failed while matching) one event; at most one per (event, rule)."""

    id: str = Field(default_factory=new_id)
    rule_ref: str
    trigger_instance_id: str
    execution_id: str | None = None
    failure_reason: str = ""
    enforced_at: Moment = Field(default_factory=now)
    status: EnforcementStatus = EnforcementStatus.SUCCEEDED


class RejectedEvent(Model):
    """Something sent to us that could not become an event, kept so that nothing vanishes silently."""

    id: str = Field(default_factory=new_id)
    at: Moment = Field(default_factory=now)
    source: str
    status_code: int
    reason: str
    body: str = ""
