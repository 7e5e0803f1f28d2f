"""Jinja in action parameters, rules and configs: the one place where those templates are rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from jinja2 import TemplateSyntaxError, UndefinedError, meta

from st_ops.errors import ExpressionError
from st_ops.expressions import limits
from st_ops.expressions.filters import stackstorm_filters
from st_ops.expressions.plain import plain
from st_ops.expressions.sandbox import Sandbox, defined
from st_ops.expressions.scan import lone_jinja_expression, quoted

T = TypeVar("T")


def is_template(text: str) -> bool:
    """True when ``text`` has a Jinja expression or block. Comments alone do not make a template, as in StackStorm."""
    return "{{" in text or "{%" in text


def contains_expression(value: Any) -> bool:
    """True when ``value``, or a key or value anywhere in it, has a Jinja expression or block."""
    if isinstance(value, str):
        return is_template(value)
    if isinstance(value, Mapping):
        return any(contains_expression(key) or contains_expression(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return any(contains_expression(item) for item in value)
    return False


class Templates:
    """Renders templates. Build one per process (compiled templates are kept in it) and share it between threads.

    ``decrypt`` opens a stored secret for the filter ``decrypt_kv``; without it that filter is an error.
    """

    def __init__(self, decrypt: Callable[[str], str] | None = None) -> None:
        self._sandbox = Sandbox(stackstorm_filters(decrypt))
        self.variables = lru_cache(maxsize=1_000)(self._variables)

    def render(self, value: Any, context: Mapping[str, Any]) -> Any:
        """``value`` with every template in it rendered, through lists and dicts (keys too).

        A string that is nothing but one ``{{ expression }}`` becomes the expression's own value, with its
        type; any other becomes text. A value without templates comes back as the same object.
        Raises ExpressionError naming the template and what is wrong.
        """
        return self._walk(value, context, self.value)

    def render_texts(self, value: Any, context: Mapping[str, Any]) -> Any:
        """Like ``render``, but every template becomes text."""
        return self._walk(value, context, self.text)

    def _walk(
        self, value: Any, context: Mapping[str, Any], one: Callable[[str, Mapping[str, Any]], Any]
    ) -> Any:
        if isinstance(value, str):
            return one(value, context) if is_template(value) else value
        if not contains_expression(value):
            return value
        if isinstance(value, Mapping):
            return {
                self._walk(key, context, one): self._walk(item, context, one) for key, item in value.items()
            }
        return [self._walk(item, context, one) for item in value]

    def text(self, template: str, context: Mapping[str, Any]) -> str:
        """``template`` rendered to text. Raises ExpressionError."""
        if not is_template(template):
            return template
        self._sandbox.turns.reset()
        return _guarded(template, lambda: limits.capped(self._sandbox.text(template).generate(context)))

    def value(self, template: str, context: Mapping[str, Any]) -> Any:
        """Like ``text``, but a lone ``{{ expression }}`` keeps its type. Raises ExpressionError."""
        expression = lone_jinja_expression(template)
        if expression is None:
            return self.text(template, context)
        self._sandbox.turns.reset()
        return _guarded(template, lambda: plain(defined(self._sandbox.expression(expression)(context))))

    def _variables(self, template: str) -> frozenset[str] | None:
        """The names that ``template`` takes from its context; None when it is not valid Jinja."""
        try:
            tree = self._sandbox.parse(template)
        except TemplateSyntaxError:
            return None
        return frozenset(meta.find_undeclared_variables(tree)) - self._sandbox.globals.keys()


def _guarded(template: str, run: Callable[[], T]) -> T:
    """What ``run`` gives, with every failure of the template turned into an ExpressionError that quotes it."""
    try:
        return run()
    except Exception as error:  # a template is foreign code: whatever it raises is its author's to read
        raise ExpressionError(f"Cannot render '{quoted(template)}': {reason(error)}") from error


def reason(error: Exception) -> str:
    """What went wrong in a template, in words."""
    if isinstance(error, UndefinedError | TemplateSyntaxError | ExpressionError):
        return str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return f"{type(error).__name__}: {error}"
