"""Whether the actions that a workflow names exist and take the input it gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from st_ops.expressions.jinja import is_template
from st_ops.model.base import split_ref
from st_ops.model.resources import Action
from st_ops.workflows.dialects.entry import TASK_SCHEMA, Entry, entry
from st_ops.workflows.graph import Graph, Task


def content_errors(graph: Graph, action_of: Callable[[str], Action | None]) -> Iterator[Entry]:
    """An entry for each action that is not there, each required input that is missing, each that is unknown.

    ``action_of`` gives an action by its reference, with the parameters of its runner among its own. An
    action or input that is an expression is known only at run time and passes.
    """
    for task in graph.tasks.values():
        if task.action and "<%" not in task.action and not is_template(task.action):
            yield from _task_errors(task, task.action, action_of)


def _task_errors(task: Task, ref: str, action_of: Callable[[str], Action | None]) -> Iterator[Entry]:
    path, schema = f"tasks.{task.name}.action", f"{TASK_SCHEMA}.properties.action"
    try:
        split_ref(ref)
    except ValueError:
        yield entry("content", f'The action reference "{ref}" is not formatted correctly.', path, schema)
        return
    action = action_of(ref)
    if action is None:
        yield entry("content", f'The action "{ref}" is not registered in the database.', path, schema)
    elif isinstance(task.input, Mapping):
        yield from _input_errors(task, ref, action.parameters, task.input)


def _input_errors(
    task: Task, ref: str, parameters: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]
) -> Iterator[Entry]:
    path, schema = f"tasks.{task.name}.input", f"{TASK_SCHEMA}.properties.input"
    for name, rule in sorted(parameters.items()):
        if rule.get("required") and rule.get("default") is None and name not in given:
            yield entry("content", f'Action "{ref}" is missing required input "{name}".', path, schema)
    for name in sorted(set(given) - set(parameters)):
        message = f'Action "{ref}" has unexpected input "{name}".'
        yield entry("content", message, f"{path}.{name}", f"{schema}.patternProperties.^\\w+$")
