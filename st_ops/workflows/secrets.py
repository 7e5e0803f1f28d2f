"""What a workflow must not show of what it works with: in its log, its children's parameters and its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from st_ops.expressions.masker import Masker, texts_of
from st_ops.model.executions import Outcome
from st_ops.model.resources import Action
from st_ops.model.runner_types import resolve
from st_ops.security.results import seal_result
from st_ops.security.secrets import SecretBox, is_sealed


class Secrets:
    """Opens and seals what workflows pass on."""

    def __init__(self, box: SecretBox, of_config: Callable[[str], Iterable[str]]) -> None:
        """``of_config``: pack → the secret values in its config."""
        self._box = box
        self.of_config = of_config

    def opened(self, value: Any, hidden: set[str]) -> Any:
        """``value`` with its sealed parts opened; their texts are added to ``hidden``."""
        return self._box.open_values(value, lambda found: hidden.update(texts_of(found)))

    def end(self, action: Action | None, end: Outcome, hidden: Iterable[str]) -> Outcome:
        """The end of a workflow as it is stored: secret outputs sealed, and no secret beside them."""
        masker = Masker(hidden)
        result = end.result
        if action is not None and action.output_schema:
            runner = resolve(action.runner_type)
            result = seal_result(self._box, action, runner, result, lambda value: masker.add([value]))
        return end.model_copy(
            update={"result": masker.value(result, is_sealed), "reason": masker.text(end.reason)}
        )
