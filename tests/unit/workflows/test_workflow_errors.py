"""The errors of a workflow's result: which entries there are and how they read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from st_ops.model.status import Status
from st_ops.workflows import facts as f
from st_ops.workflows import signals as s
from tests.unit.workflows.scripted import Run, failed, orquesta, succeed

FAILED_ACTION = "Execution failed. See result for details."


def errors_of(text: str, script: Any = succeed) -> list[dict[str, Any]]:
    run = Run(orquesta(text), script).to_end()
    assert run.outcome.status is Status.FAILED
    found: list[dict[str, Any]] = run.outcome.result["errors"]
    return found


def test_a_failed_action_is_an_entry_with_its_result() -> None:
    assert errors_of("version: 1.0\ntasks:\n  a: {action: core.x}\n", lambda _: failed({"stderr": "no"})) == [
        {"type": "error", "message": FAILED_ACTION, "task_id": "a", "result": {"stderr": "no"}}
    ]


def test_the_command_fail_is_an_entry_of_its_own() -> None:
    text = "version: 1.0\ntasks:\n  a: {action: core.x, next: [{do: fail}]}\n"
    assert errors_of(text) == [{"type": "error", "message": FAILED_ACTION, "task_id": "fail"}]
    assert Run(orquesta(text)).to_end().outcome.reason == "The workflow took its command 'fail'."


def test_an_expression_that_fails_in_a_transition_names_the_transition() -> None:
    text = "version: 1.0\ntasks:\n  a: {action: core.x, next: [{publish: [{v: <% result().y %>}], do: b}]}\n  b: {}\n"
    assert errors_of(text) == [
        {
            "type": "error",
            "message": "YaqlEvaluationException: "
            "Unable to resolve key 'y' in expression '<% result().y %>' from context.",
            "task_id": "a",
            "route": 0,
            "task_transition_id": "b__t0",
        }
    ]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("{action: core.x, with: <% 3 %>}", 'TypeError: The value of "<% 3 %>" is not type of list.'),
        ("{action: core.x, delay: <% a %>}", "TypeError: The value of task delay is not type of integer."),
        (
            "{action: core.x, retry: {count: <% a %>}}",
            'ValueError: The retry count for task "a" is not an integer.',
        ),
        (
            "{action: core.x, retry: {count: 1, delay: <% a %>}}",
            'ValueError: The retry delay for task "a" is not an integer.',
        ),
        (
            "{action: core.x, with: {items: '<% [1] %>', concurrency: <% a %>}}",
            'TypeError: The concurrency of task "a" is not an integer.',
        ),
        (
            "{action: core.x, input: '<% [1] %>'}",
            'TypeError: The input of task "a" is not a mapping of parameters to values.',
        ),
        ("{action: <% 5 %>}", 'TypeError: The action of task "a" is not the reference of an action.'),
    ],
)
def test_a_task_that_cannot_be_prepared_fails_the_workflow_before_it_starts(task: str, message: str) -> None:
    run = Run(orquesta(f"version: 1.0\ntasks:\n  a: {task}\n  b: {{action: core.noop}}\n")).to_end()
    assert run.started == []
    assert run.outcome.result["errors"] == [
        {"type": "error", "message": message, "task_id": "a", "route": 0},
    ]


def test_a_join_that_cannot_be_reached_is_named() -> None:
    text = """
version: 1.0
tasks:
  a: {action: core.x, next: [{do: join}]}
  b: {action: core.x, next: [{when: <% failed() %>, do: join}]}
  join: {join: all}
"""
    assert errors_of(text) == [
        {
            "type": "error",
            "message": 'UnreachableJoinError: The join task|route "join|0" is partially satisfied but unreachable.',
            "task_id": "join",
            "route": 0,
        }
    ]


def test_a_default_that_cannot_be_evaluated_fails_the_workflow_at_once() -> None:
    text = "version: 1.0\nvars: [{a: <% ctx().st2.nothing %>}]\ntasks:\n  a: {action: core.x}\n"
    found = errors_of(text)
    assert [entry["message"] for entry in found] == [
        "YaqlEvaluationException: Unable to resolve key 'nothing' in expression '<% ctx().st2.nothing %>' from context."
    ]


def test_output_is_rendered_even_when_the_workflow_fails() -> None:
    text = """
version: 1.0
vars: [{x: 1}]
output: [{x: <% ctx(x) %>}]
tasks:
  a: {action: core.x}
"""
    run = Run(orquesta(text), lambda _: failed()).to_end()
    assert run.outcome.result["output"] == {"x": 1}


def test_what_really_failed_comes_before_what_the_output_lacks_for_it() -> None:
    text = """
version: 1.0
output: [{made: <% ctx().made %>}]
tasks:
  make: {action: core.x, next: [{when: <% succeeded() %>, publish: [{made: <% result() %>}]}]}
"""
    run = Run(orquesta(text), lambda _: failed()).to_end()
    found = run.outcome.result["errors"]
    assert [entry.get("task_id") for entry in found] == ["make", None]
    assert found[1]["message"].startswith("YaqlEvaluationException: Unable to resolve key 'made'")
    assert run.outcome.reason == f"Task 'make': {FAILED_ACTION}"


def test_the_reason_of_a_failed_workflow_is_that_of_the_action_that_failed() -> None:
    run = Run(orquesta("version: 1.0\ntasks:\n  a: {action: core.x}\n"), lambda _: failed()).to_end()
    (key,) = run.world.children
    run.world.children[key] = replace(run.world.children[key], reason="It ended with exit code 3.")
    assert run.outcome.reason == "Task 'a': It ended with exit code 3."


def test_an_output_that_fails_makes_a_successful_workflow_fail_and_keeps_the_rest() -> None:
    graph = orquesta("version: 1.0\noutput: [{x: 1}, {y: <% int(q) %>}]\ntasks:\n  a: {action: core.x}\n")
    run = Run(graph).to_end()
    assert (run.outcome.status, run.outcome.result["output"]) == (Status.FAILED, {"x": 1})


def test_a_child_that_could_not_be_made_fails_the_workflow_with_the_reason() -> None:
    run = Run(orquesta("version: 1.0\ntasks:\n  a: {action: no.such, next: [{do: b}]}\n  b: {}\n")).start()
    run.send(s.TaskRejected(key=run.open[0].key, message='Action "no.such" cannot be found.'))
    assert run.outcome.status is Status.FAILED
    assert run.outcome.result["errors"] == [
        {"type": "error", "message": 'Action "no.such" cannot be found.', "task_id": "a", "route": 0}
    ]


def test_a_timeout_counts_as_failed_and_says_so_in_the_log() -> None:
    run = Run(
        orquesta("version: 1.0\ntasks:\n  a: {action: core.x, next: [{when: <% failed() %>, do: noop}]}\n")
    ).start()
    run.send(s.TaskFinished(key=run.open[0].key, status=Status.TIMEOUT))
    completed = next(fact for fact in run.log if isinstance(fact, f.TaskCompleted))
    assert (completed.status, completed.ended, run.state.status) == (
        Status.FAILED,
        Status.TIMEOUT,
        Status.SUCCEEDED,
    )


def test_a_child_that_was_never_requested_is_refused_and_a_second_report_changes_nothing() -> None:
    run = Run(orquesta("version: 1.0\ntasks:\n  a: {action: core.x}\n")).start()
    with pytest.raises(Exception, match="never requested"):
        run.send(s.TaskFinished(key="b.r0.v1.a1", status=Status.SUCCEEDED))
    request = run.open[0]
    run.finish(request)
    assert run.finish(request) == []
