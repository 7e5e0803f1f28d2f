"""What travels on the bus: bells. A bell says where to look; the store says what is there."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from st_ops.model.base import Model


class Topic(StrEnum):
    """What a bell is about."""

    EVENT_ACCEPTED = "event.accepted"
    EXECUTION_REQUESTED = "execution.requested"
    WORKFLOW_REQUESTED = "workflow.requested"
    EXECUTION_CHANGED = "execution.changed"
    EXECUTION_FINISHED = "execution.finished"
    TASK_CHANGED = "task.changed"
    EXECUTION_OUTPUT = "execution.output"
    EXECUTION_CANCEL = "execution.cancel"
    REGISTRY_CHANGED = "registry.changed"
    ANNOUNCEMENT = "announcement"


class Bell(Model):
    """One message. ``version`` lets old and new processes overlap; ``ids`` are identities in the store."""

    version: int = 1
    topic: Topic
    ids: list[str] = Field(default_factory=list)
    data: dict[str, Any] = Field(default_factory=dict)

    @property
    def missed(self) -> bool:
        """True for the bell a subscriber gets after a time without the bus: any bell may have been lost, so sweep."""
        return self.data.get("missed") is True
