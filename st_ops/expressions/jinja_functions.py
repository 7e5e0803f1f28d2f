"""Jinja as workflows use it: expressions that call functions which see the evaluation context."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import nodes, pass_context
from jinja2.runtime import Context

from st_ops.expressions import limits
from st_ops.expressions.plain import plain
from st_ops.expressions.sandbox import Sandbox, defined

#: Where an evaluation's own context is kept in Jinja's; the space keeps expressions from naming it.
_EVALUATION = "evaluation context"


class JinjaEngine:
    """Evaluates Jinja expressions. Build one per process and share it.

    ``contextual`` functions get the evaluation context of each call as their first argument; ``others`` do
    not. All of them are filters as well.
    """

    def __init__(
        self, contextual: Mapping[str, Callable[..., Any]], others: Mapping[str, Callable[..., Any]]
    ) -> None:
        functions = {**others, **{name: _with_context(function) for name, function in contextual.items()}}
        self._sandbox = Sandbox(functions, functions)
        self.parse = lru_cache(maxsize=2_000)(self._parse)

    def _parse(self, source: str) -> nodes.Template:
        self._sandbox.expression(source)
        return self._sandbox.parse("{{ " + source + " }}")

    def evaluate(self, source: str, context: Any) -> Any:
        """The value of the expression ``source`` as plain Python. Raises whatever Jinja or a function raises."""
        self._sandbox.turns.reset()
        return plain(defined(self._sandbox.expression(source)({_EVALUATION: context})))

    def text(self, template: str, context: Any) -> str:
        """``template`` (with blocks) rendered. Raises whatever Jinja or a function raises."""
        self._sandbox.turns.reset()
        return limits.capped(self._sandbox.text(template).generate({_EVALUATION: context}))

    def parse_text(self, template: str) -> nodes.Template:
        """The parsed ``template``. Raises jinja2's TemplateError when it is not valid."""
        self._sandbox.text(template)
        return self._sandbox.parse(template)

    def names_in_ctx(self, source: str) -> set[str]:
        """The names that ``source`` takes from ``ctx()``: ``ctx('x')``, ``ctx().x``, ``ctx()['x']``."""
        return _names(self.parse(source))

    def names_in_text(self, template: str) -> set[str]:
        """The same for a template with blocks."""
        return _names(self.parse_text(template))


def _with_context(function: Callable[..., Any]) -> Callable[..., Any]:
    @pass_context
    def call(context: Context, *args: Any, **kwargs: Any) -> Any:
        return function(context.get(_EVALUATION), *args, **kwargs)

    return call


def _is_ctx(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "ctx"


def _names(tree: nodes.Node) -> set[str]:
    found: set[str] = set()
    for call in tree.find_all(nodes.Call):
        if (
            _is_ctx(call)
            and call.args
            and isinstance(call.args[0], nodes.Const)
            and isinstance(call.args[0].value, str)
        ):
            found.add(call.args[0].value)
    for attribute in tree.find_all(nodes.Getattr):
        if _is_ctx(attribute.node) and not attribute.node.args:  # type: ignore[attr-defined]  # _is_ctx says Call
            found.add(attribute.attr)
    for item in tree.find_all(nodes.Getitem):
        if _is_ctx(item.node) and isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, str):
            found.add(item.arg.value)
    return found
