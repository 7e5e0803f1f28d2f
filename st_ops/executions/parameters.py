"""The parameters of an execution: rendered and checked at request, opened and cast at run (StackStorm 1.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

from st_ops.expressions.datastore import datastore
from st_ops.expressions.jinja import Templates
from st_ops.expressions.masker import Masker
from st_ops.expressions.masking import secret_names
from st_ops.expressions.parameter_schema import schema_of, validate
from st_ops.expressions.parameters import render_final, render_live
from st_ops.model.base import Object
from st_ops.model.executions import HIDDEN
from st_ops.model.resources import Action
from st_ops.security.key_values import KeyValues
from st_ops.security.secrets import SecretBox, holds_sealed, is_sealed

#: pack → its resolved config.
Configs = Callable[[str], Mapping[str, Any]]


def _no_secrets(_pack: str) -> Iterable[str]:
    return ()


#: A masker is dear to make and cheap to use, and most requests have the same few secrets.
@lru_cache(maxsize=256)
def _masker_of(secrets: tuple[str, ...]) -> Masker:
    return Masker(secrets)


class ParameterRendering:
    """Renders parameters with what templates may see, and keeps secrets sealed in between."""

    def __init__(
        self,
        key_values: KeyValues,
        box: SecretBox,
        configs: Configs,
        secret_config: Callable[[str], Iterable[str]] = _no_secrets,
    ) -> None:
        """``secret_config``: pack → the secret values in its config."""
        self._key_values = key_values
        self._box = box
        self._configs = configs
        self._secret_config = secret_config
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

    def noting(self) -> AbstractContextManager[list[str]]:
        """The secrets that templates decrypt in this thread meanwhile (see KeyValues)."""
        return self._key_values.noting()

    def sealed(
        self,
        action: Action,
        values: Mapping[str, Any],
        *,
        hidden: Iterable[str] = (),
        given: Mapping[str, Any] | None = None,
    ) -> Object:
        """The parameters as they are stored: sealed are those that the schema calls secret, those in which a text of
        ``hidden`` or a secret of the pack's config stands, and those that were sealed when they were ``given``.
        """
        secret = secret_names(schema_of(action))
        masker = _masker_of((*hidden, *self._secret_config(action.pack)))
        came_sealed = {key for key, value in (given or {}).items() if holds_sealed(value)}

        def must_be(key: str, value: Any) -> bool:
            if value is None or is_sealed(value):
                return False
            return key in secret or key in came_sealed or masker.hides(value)

        return {
            key: self._box.seal_value(value) if must_be(key, value) else value
            for key, value in values.items()
        }

    def with_hidden(self, context: Mapping[str, Any], hidden: Iterable[str]) -> Object:
        """The context of an execution that must not show these texts, besides those it was not to show already."""
        plain = {key: value for key, value in context.items() if key != HIDDEN}
        texts = sorted({*hidden, *self.hidden_in(context)})
        return {**plain, HIDDEN: self._box.seal_value(texts)} if texts else plain

    def hidden_in(self, context: Mapping[str, Any]) -> list[str]:
        """The texts that an execution with this context must not show."""
        # Callers may send a context of their own; only what is sealed came from us.
        return list(self._box.open_values(context[HIDDEN])) if is_sealed(context.get(HIDDEN)) else []

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
