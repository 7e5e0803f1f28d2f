"""Evaluating what a workflow's definition holds, in the language of its dialect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from st_ops.errors import ExpressionError
from st_ops.expressions.datastore import datastore
from st_ops.expressions.evaluate import EvaluationError, Evaluator
from st_ops.expressions.jinja import Templates, is_template
from st_ops.workflows.context import Context
from st_ops.workflows.functions import Scope, functions, result_of
from st_ops.workflows.graph import Graph

#: What evaluating a definition may raise; each becomes an entry of the workflow's errors.
EXPECTED = (ExpressionError, TypeError, ValueError)


def described(error: Exception) -> str:
    """``ExceptionClass: text``, the form of a message in a workflow's errors."""
    name = error.orquesta_name if isinstance(error, EvaluationError) else type(error).__name__
    return f"{name}: {error}"


class Rendering:
    """Both languages. Build one per process (compiled expressions are kept in it) and share it between threads.

    ``templates`` renders action chains; its filter ``decrypt_kv`` opens secrets when it was built to.
    """

    def __init__(self, templates: Templates) -> None:
        self._evaluator = Evaluator(functions())
        self._templates = templates

    def value(self, graph: Graph, value: Any, scope: Scope) -> Any:
        """``value`` with its expressions evaluated, as plain JSON-able Python. Raises ExpressionError."""
        if graph.dialect == "action-chain":
            return self._templates.render(value, self._names(graph, value, scope))
        return _plain(self._evaluator.evaluate(value, scope))

    def _names(self, graph: Graph, value: Any, scope: Scope) -> dict[str, Any]:
        """The names that the templates of ``value`` use and that are known; what is not used is not looked up."""
        used: set[str] = set()
        for text in _texts(value):
            used |= self._templates.variables(text) or frozenset()
        found: dict[str, Any] = {}
        for name in sorted(used):
            self._add(found, graph, name, scope)
        return found

    def _add(self, found: dict[str, Any], graph: Graph, name: str, scope: Scope) -> None:
        """Look ``name`` up as an action chain does: the platform's names, variables, results, parameters."""
        results = Results(graph, scope)
        if name in ("st2kv", "system"):
            found[name] = datastore(scope.world.key_value, scope.world.user)[name]
        elif name == "results":
            found[name] = results
        elif name == "action_context":
            found[name] = {"parent": scope.world.parent}
        elif name == "config_context":
            found[name] = scope.world.config()
        elif name in scope.variables:
            found[name] = scope.variables[name]
        elif name in results:
            found[name] = results[name]
        elif name in scope.state.inputs:
            found[name] = scope.state.inputs[name]


class Results(Mapping[str, Any]):
    """Task name → result of its latest run, each looked up when it is used."""

    def __init__(self, graph: Graph, scope: Scope) -> None:
        self._graph = graph
        self._scope = scope

    def __getitem__(self, name: str) -> Any:
        run = self._scope.state.run_on(name, 0)
        if run is None or (run is not self._scope.run and not run.status.terminal):
            raise KeyError(name)
        return result_of(run, self._scope.world)

    def __contains__(self, name: object) -> bool:
        run = self._scope.state.run_on(name, 0) if isinstance(name, str) else None
        return run is not None and (run is self._scope.run or run.status.terminal)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._graph.tasks if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if is_template(value):
            yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _plain(value: Any) -> Any:
    """``value`` with a dict for each Context in it (``<% ctx() %>`` gives one)."""
    if isinstance(value, Context):
        return dict(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
