"""Secret outputs: what an action's output schema calls secret is sealed in the stored result and masked when shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from st_ops.expressions.masking import mask, secret_names
from st_ops.model.resources import Action
from st_ops.model.runner_types import RunnerType
from st_ops.security.secrets import SecretBox, is_sealed, masked_sealed


def seal_result(
    box: SecretBox, action: Action, runner: RunnerType, result: Any, note: Callable[[Any], None]
) -> Any:
    """A result as it is stored: its secret outputs sealed; ``note`` is told each of their values."""

    def seal(value: Any) -> Any:
        if value is None or is_sealed(value):
            return value
        note(value)
        return box.seal_value(value)

    return _changed(action, runner, result, lambda output: mask(action.output_schema, output, seal))


def mask_result(action: Action, runner: RunnerType, result: Any) -> Any:
    """A result as it is shown: what is sealed in it, or secret by the output schema, is masked (StackStorm 1.2)."""
    hidden = masked_sealed(result)
    return _changed(action, runner, hidden, lambda output: mask(action.output_schema, output))


def _changed(action: Action, runner: RunnerType, result: Any, change: Callable[[Any], Any]) -> Any:
    """``result`` with its output, which is what the output schema describes, changed where it may hold secrets."""
    if not isinstance(result, dict) or not secret_names(action.output_schema):
        return result
    if not runner.output_key:
        return change(result)
    if not isinstance(result.get(runner.output_key), dict):
        return result
    return {**result, runner.output_key: change(result[runner.output_key])}
