"""Where an execution runs: from which queue it is taken, and what its worker must offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from st_ops.model.base import Model, Object
from st_ops.model.resources import Action

DEFAULT_QUEUE = "default"
#: Where the context of a workflow says it, for its tasks.
CONTEXT_KEY = "placement"


class Placement(Model):
    """A queue and labels (``name=value``)."""

    queue: str = DEFAULT_QUEUE
    needs: list[str] = Field(default_factory=list)

    def for_tasks(self) -> Object:
        """What the context of a workflow carries, so that tasks that say nothing themselves run there too."""
        return {} if self == Placement() else {CONTEXT_KEY: self.model_dump()}


def place(action: Action, queue: str, needs: Sequence[str], context: Mapping[str, Any]) -> Placement:
    """Where an execution of ``action`` runs: as who asks says (``queue``, ``needs``), else as the action, else as the
    workflow whose task it is.
    """
    given = context.get(CONTEXT_KEY)
    inherited = given if isinstance(given, Mapping) else {}
    own = action.queue if action.queue != DEFAULT_QUEUE else ""
    asked = needs or action.needs or inherited.get("needs") or []
    return Placement(
        queue=queue or own or str(inherited.get("queue") or DEFAULT_QUEUE),
        needs=sorted({str(label) for label in asked}),
    )
