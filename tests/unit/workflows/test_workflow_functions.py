"""The functions that expressions call."""

from __future__ import annotations

from typing import Any

import pytest

from st_ops.expressions.datastore import SYSTEM, USER
from st_ops.model.status import Status
from tests.unit.workflows.scripted import Run, ScriptedWorld, orquesta

KEYS = {(SYSTEM, "color"): "red", (USER, "color"): "blue", (SYSTEM, "secret"): "cipher:x"}


def value_of(expression: str) -> Any:
    """What an expression gives in the output of a workflow with one task, or the message of its error."""
    text = f"version: 1.0\noutput:\n  - it: {expression}\ntasks:\n  a: {{action: core.x, input: {{p: 1}}}}\n"
    run = Run(orquesta(text), world=ScriptedWorld(KEYS)).to_end()
    if run.outcome.status is Status.SUCCEEDED:
        return run.outcome.result["output"]["it"]
    return run.outcome.result["errors"][0]["message"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("<% st2kv('system.color') %>", "red"),
        ("<% st2kv('user.color') %>", "blue"),
        ("<% st2kv('color') %>", "blue"),
        ("<% st2kv('system.secret') %>", "cipher:x"),
        ("<% st2kv('system.secret', decrypt => true) %>", "x"),
        ("<% st2kv('system.none', default => 5) %>", 5),
        ("\"{{ st2kv('system.secret', decrypt=true) }}\"", "x"),
        ("<% ctx().st2.user %>", "stanley"),
        ("<% ctx().parent.pack %>", "p"),
        ("<% task_status(a) %>", "succeeded"),
        ("<% task(a).workflow_execution_id %>", "wf-1"),
        ("<% task(a).task_execution_id %>", "x-a.r0.v1.a1"),
        (
            "<% ctx() %>",
            {"st2": {"workflow_execution_id": "wf-1", "user": "stanley"}, "parent": {"pack": "p"}},
        ),
    ],
)
def test_a_function_answers(expression: str, value: Any) -> None:
    assert value_of(expression) == value


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ("<% st2kv('system.none') %>", 'The key "system.none" does not exist in the datastore.'),
        ("<% st2kv(5) %>", "Given key is not typeof string."),
        ("<% st2kv('system.color', decrypt => 1) %>", "Decrypt parameter is not typeof bool."),
        ("<% task(zz) %>", 'Unable to find task execution for "zz".'),
        ("<% result() %>", "The current task is not set in the context."),
        ("<% item() %>", "no current item"),
    ],
)
def test_a_function_that_cannot_answer_says_why(expression: str, part: str) -> None:
    assert part in value_of(expression)
