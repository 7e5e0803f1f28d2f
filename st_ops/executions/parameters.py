"""The parameters of an execution: rendered and checked at request, opened and cast at run (StackStorm 1.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from st_ops.expressions.datastore import datastore
from st_ops.expressions.jinja import Templates
from st_ops.expressions.masking import secret_names
from st_ops.expressions.parameter_schema import schema_of, validate
from st_ops.expressions.parameters import render_final, render_live
from st_ops.model.base import Object
from st_ops.model.resources import Action
from st_ops.security.key_values import KeyValues
from st_ops.security.secrets import SecretBox, is_sealed

#: pack → its resolved config.
Configs = Callable[[str], Mapping[str, Any]]


class ParameterRendering:
    """Renders parameters with what templates may see, and keeps secrets sealed in between."""

    def __init__(self, key_values: KeyValues, box: SecretBox, configs: Configs) -> None:
        self._key_values = key_values
        self._box = box
        self._configs = configs
        self._templates = Templates(key_values.decrypt)

    def for_request(
        self, action: Action, given: Mapping[str, Any], names: Mapping[str, Any], *, literal: bool = False
    ) -> Object:
        """The parameters of a request, in the clear: templates rendered with ``names``, checked against the schema.

        Raises InvalidInput naming the parameter, ExpressionError for a template that fails.
        """
        schema = schema_of(action)
        opened = {key: self._box.open_values(value) for key, value in given.items()}
        rendered = render_live(schema, opened, names, templates=self._templates, literal=literal)
        validate(schema, rendered)
        return rendered

    def for_run(
        self, action: Action, stored: Mapping[str, Any], *, user: str, context: Mapping[str, Any]
    ) -> Object:
        """The values the run gets: secrets opened, defaults filled in, cast to the declared types."""
        opened = {key: self._box.open_values(value) for key, value in stored.items()}
        names = self.names(action, user, context, {})
        return render_final(schema_of(action), opened, names, templates=self._templates)

    def sealed(self, action: Action, given: Mapping[str, Any]) -> Object:
        """The parameters as they are stored: secret ones sealed."""
        return self._seal(schema_of(action), given)

    def _seal(self, schema: Mapping[str, Object], values: Mapping[str, Any]) -> Object:
        secret = secret_names(schema)
        return {
            key: self._box.seal_value(value)
            if key in secret and value is not None and not is_sealed(value)
            else value
            for key, value in values.items()
        }

    def names(
        self, action: Action, user: str, context: Mapping[str, Any], names: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What templates of this action's parameters see: StackStorm's names, and ``names``."""
        reader = str(context.get("api_user") or user)
        return {
            **datastore(self._key_values.lookup, reader),
            "action_context": {"user": user, "pack": action.pack, **context},
            "config_context": self._configs(action.pack),
            **names,
        }
