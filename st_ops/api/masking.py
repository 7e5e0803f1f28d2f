"""Secret values in what the API answers: masked, or opened for an administrator who asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Query

from st_ops.api.auth import Caller
from st_ops.errors import Forbidden, InvalidInput
from st_ops.expressions.masking import MASK, mask
from st_ops.model.resources import Action
from st_ops.model.runner_types import RunnerType
from st_ops.security.results import mask_result
from st_ops.security.secrets import SecretBox, is_sealed, masked_sealed


class Mask:
    """How one answer shows secrets."""

    def __init__(self, box: SecretBox | None = None) -> None:
        """With ``box`` sealed values are opened; without, they are masked."""
        self._box = box

    @property
    def shows(self) -> bool:
        """True when secrets are shown."""
        return self._box is not None

    def value(self, value: Any) -> Any:
        """Any JSON value of ours with the sealed objects in it masked or opened."""
        if self._box is not None:
            return self._box.open_values(value)
        return masked_sealed(value)

    def parameters(self, schema: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        """An execution's parameters; masked are sealed values and what ``schema`` or its name calls secret."""
        if self._box is not None:
            return dict(self._box.open_values(dict(values)))
        return dict(mask(schema, masked_sealed(dict(values))))

    def result(self, action: Action, runner: RunnerType, result: Any) -> Any:
        """A result; besides sealed values, what the action's output schema calls secret is masked (StackStorm 1.2)."""
        if self._box is not None:
            return self._box.open_values(result)
        return mask_result(action, runner, result)

    def defaults(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """A parameter schema in which the defaults of secret parameters are masked."""
        if self._box is not None:
            return dict(schema)
        return {
            name: {**entry, "default": MASK}
            if isinstance(entry, Mapping) and entry.get("secret") and entry.get("default") is not None
            else entry
            for name, entry in schema.items()
        }


def refuse_sealed(values: Any, where: str) -> None:
    """Raises InvalidInput when a caller hands in a sealed value: only the platform itself may pass those on."""
    if isinstance(values, Mapping):
        if is_sealed(values):
            raise InvalidInput(f"'{where}' is a sealed value; give the plain one.", where=where)
        for key, entry in values.items():
            refuse_sealed(entry, f"{where}.{key}" if where else str(key))
    elif isinstance(values, list):
        for index, entry in enumerate(values):
            refuse_sealed(entry, f"{where}[{index}]")


async def shows_secrets(
    caller: Caller,
    show_secrets: Annotated[bool, Query(description="Show secret values; for administrators.")] = False,
) -> bool:
    """Whether this answer may show secrets. Raises Forbidden when it is asked for by anyone but an administrator."""
    if show_secrets and not caller.admin:
        raise Forbidden("Only an administrator may ask for secret values (show_secrets).")
    return show_secrets


#: A route's way to whether secrets are shown.
ShowSecrets = Annotated[bool, Depends(shows_secrets)]
