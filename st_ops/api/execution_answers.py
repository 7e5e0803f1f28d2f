"""What the routes about executions share: finding one (``last`` included) and shaping it."""

from __future__ import annotations

from typing import Any

from st_ops.api.fields import Fields
from st_ops.api.masking import Mask
from st_ops.api.services import ApiServices
from st_ops.api.shapes import ExecutionShapes
from st_ops.errors import NotFound
from st_ops.model.executions import Execution
from st_ops.store import executions, history
from st_ops.store.database import Tx


def find_one(tx: Tx, identifier: str, *, result: bool = True) -> Execution:
    """One execution by id; ``last`` is the newest. Raises NotFound."""
    if identifier == "last":
        newest = history.last(tx)
        identifier = newest.id if newest else identifier
    found = executions.get(tx, identifier, result=result)
    if found is None:
        raise NotFound("execution", identifier, "'st-ops execution list' shows the newest.")
    return found


def mask_for(services: ApiServices, show_secrets: bool) -> Mask:
    """How secrets are shown to this caller."""
    return Mask(services.box if show_secrets else None)


def shaped(
    services: ApiServices, entry: Execution, fields: Fields | None = None, mask: Mask | None = None
) -> dict[str, Any]:
    """One execution as answered."""
    with services.database.read() as tx:
        shapes = ExecutionShapes(tx, services.catalog.current(tx), fields or Fields(), mask or Mask())
        return shapes.one(entry)
