"""Taking a finished workflow up again."""

from __future__ import annotations

import pytest

from st_ops.errors import Conflict, InvalidInput
from st_ops.model.status import Status
from st_ops.workflows import signals as s
from tests.unit.workflows.scripted import Run, failed, orquesta, succeed

CHAIN = """
version: 1.0
output: [{last: <% ctx(last) %>}]
tasks:
  a: {action: core.x, next: [{when: <% succeeded() %>, do: b}]}
  b: {action: core.x, next: [{when: <% succeeded() %>, publish: [{last: <% result() %>}], do: c}]}
  c: {action: core.x}
"""
JOIN = """
version: 1.0
tasks:
  a: {action: core.x, next: [{when: <% succeeded() %>, do: join}]}
  b: {action: core.x, next: [{when: <% succeeded() %>, do: join}]}
  join: {action: core.x, join: all, next: [{do: end}]}
  end: {action: core.x}
"""


def finished(text: str, bad: str) -> Run:
    """A workflow whose task ``bad`` failed once and would now succeed."""
    run = Run(
        orquesta(text), lambda request: failed() if request.key.startswith(f"{bad}.") else succeed(request)
    )
    run.to_end()
    run.script = succeed
    return run


def test_a_rerun_begins_at_the_failed_task_and_clears_its_errors() -> None:
    run = finished(CHAIN, "b")
    run.send(s.RerunRequested())
    assert [request.key for request in run.open] == ["b.r0.v2.a1"]
    run.to_end()
    assert (run.outcome.status, run.outcome.result) == (Status.SUCCEEDED, {"output": {"last": {}}})


def test_a_named_task_runs_anew_with_all_that_follows() -> None:
    run = Run(orquesta(CHAIN)).to_end()
    run.send(s.RerunRequested(tasks=("b",)))
    run.to_end()
    assert run.started == ["a", "b", "c", "b", "c"]
    assert run.is_(Status.SUCCEEDED)


def test_of_tasks_that_follow_each_other_only_the_first_is_restarted() -> None:
    run = Run(orquesta(CHAIN)).to_end()
    run.send(s.RerunRequested(tasks=("c", "a")))
    assert [request.key for request in run.open] == ["a.r0.v2.a1"]


def test_a_branch_that_failed_can_still_reach_the_join() -> None:
    run = finished(JOIN, "b")
    assert run.is_(Status.FAILED)
    run.send(s.RerunRequested())
    run.to_end()
    assert run.started == ["a", "b", "b", "join", "end"]
    assert run.is_(Status.SUCCEEDED)


def test_a_join_that_ran_runs_again_when_one_of_its_branches_is_rerun() -> None:
    run = Run(orquesta(JOIN)).to_end()
    run.send(s.RerunRequested(tasks=("a",)))
    run.to_end()
    assert run.started == ["a", "b", "join", "end", "a", "join", "end"]


EACH = """
version: 1.0
tasks:
  each: {with: "<% [1, 2, 3] %>", action: core.x, input: {n: <% item() %>}}
"""


def test_only_the_items_that_did_not_succeed_run_again() -> None:
    run = Run(orquesta(EACH), lambda request: failed() if request.item == 1 else request.item).to_end()
    run.send(s.RerunRequested())
    assert [request.key for request in run.open] == ["each.r0.v1.i1.a2"]
    run.script = succeed
    assert run.to_end().outcome.status is Status.SUCCEEDED


def test_all_items_run_again_when_the_task_is_reset() -> None:
    run = Run(orquesta(EACH), lambda request: failed() if request.item == 1 else request.item).to_end()
    run.send(s.RerunRequested(tasks=("each",), reset=("each",)))
    assert [request.item for request in run.open] == [0, 1, 2]


def test_a_failure_beside_clean_up_can_be_rerun() -> None:
    text = """
version: 1.0
tasks:
  a: {action: core.x, next: [{when: <% failed() %>, do: [cleanup, fail]}, {when: <% succeeded() %>, do: b}]}
  cleanup: {action: core.x}
  b: {action: core.x}
"""
    run = finished(text, "a")
    run.send(s.RerunRequested())
    run.to_end()
    assert run.started == ["a", "cleanup", "a", "b"]
    assert run.is_(Status.SUCCEEDED)


def test_what_was_due_when_the_workflow_failed_is_started_by_the_rerun() -> None:
    text = """
version: 1.0
tasks:
  bad: {action: core.x}
  slow: {action: core.x, next: [{do: after}]}
  after: {action: core.x}
"""
    run = finished(text, "bad")
    assert run.started == ["bad", "slow"]
    run.send(s.RerunRequested())
    run.to_end()
    assert run.started == ["bad", "slow", "after", "bad"]


def test_an_active_workflow_cannot_be_rerun() -> None:
    run = Run(orquesta(CHAIN)).start()
    with pytest.raises(Conflict, match="still active"):
        run.send(s.RerunRequested())


def test_a_task_that_never_ran_cannot_be_rerun() -> None:
    run = finished(CHAIN, "b")
    with pytest.raises(InvalidInput, match="c, zz"):
        run.send(s.RerunRequested(tasks=("zz", "c")))


def test_a_rerun_without_a_failure_asks_for_names() -> None:
    run = Run(orquesta(CHAIN)).to_end()
    with pytest.raises(InvalidInput, match="name the tasks"):
        run.send(s.RerunRequested())


def test_a_rerun_that_fails_again_tells_of_the_output_once() -> None:
    run = finished(CHAIN, "a")
    run.script = lambda request: failed()
    run.send(s.RerunRequested())
    run.to_end()
    found = run.outcome.result["errors"]
    assert [entry.get("task_id") for entry in found] == ["a", None]
