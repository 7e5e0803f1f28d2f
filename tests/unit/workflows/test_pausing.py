"""Pausing, resuming, canceling, and waiting for people."""

from __future__ import annotations

import pytest

from st_ops.model.status import Status
from st_ops.workflows import signals as s
from tests.unit.workflows.scripted import Ended, Run, orquesta
from tests.unit.workflows.test_replaying import TEXTS, fickle

TWO = """
version: 1.0
tasks:
  a: {action: core.x, next: [{do: b}]}
  b: {action: core.x}
"""
ASKING = """
version: 1.0
tasks:
  ask: {action: core.ask, next: [{when: <% succeeded() %>, do: after}]}
  after: {action: core.noop}
  other: {action: core.x, next: [{do: more}]}
  more: {action: core.x}
"""


def test_a_pause_waits_for_what_is_active_and_a_resume_starts_what_is_due() -> None:
    run = Run(orquesta(TWO)).start()
    run.send(s.PauseRequested())
    assert run.is_(Status.PAUSING)
    run.finish(run.open[0])
    assert (run.state.status, len(run.open)) == (Status.PAUSED, 0)
    run.send(s.ResumeRequested())
    assert [request.key for request in run.open] == ["b.r0.v1.a1"]
    assert run.to_end().outcome.status is Status.SUCCEEDED


def test_a_workflow_whose_last_task_ended_while_pausing_ends_on_resume() -> None:
    run = Run(orquesta("version: 1.0\ntasks:\n  a: {action: core.x}\n")).start()
    run.send(s.PauseRequested())
    run.finish(run.open[0])
    assert run.is_(Status.PAUSED)
    run.send(s.ResumeRequested())
    assert run.is_(Status.SUCCEEDED)


def test_a_cancel_ends_the_workflow_once_nothing_is_active() -> None:
    run = Run(orquesta(TWO)).start()
    run.send(s.CancelRequested())
    assert run.is_(Status.CANCELING)
    run.finish(run.open[0])
    assert (run.state.status, run.started) == (Status.CANCELED, ["a"])
    assert run.send(s.CancelRequested()) == []


def test_a_canceled_task_cancels_the_workflow() -> None:
    run = Run(orquesta(TWO)).start()
    run.finish(run.open[0], Ended(Status.CANCELED))
    assert run.is_(Status.CANCELED)


def test_a_pending_inquiry_pauses_the_workflow_only_once_nothing_else_is_active() -> None:
    run = Run(orquesta(ASKING)).start()
    inquiry = run.of("ask")
    run.open.remove(inquiry)
    run.send(s.TaskPaused(key=inquiry.key, status=Status.PENDING))
    assert run.is_(Status.RUNNING)
    run.finish(run.of("other"))
    run.finish(run.of("more"))
    assert run.is_(Status.PAUSED)


def test_the_answer_to_an_inquiry_resumes_the_workflow_by_itself() -> None:
    run = Run(orquesta(ASKING)).start()
    inquiry = run.of("ask")
    run.open.remove(inquiry)
    run.send(s.TaskPaused(key=inquiry.key, status=Status.PENDING))
    while run.open:
        run.finish(run.open[0])
    run.finish(inquiry, {"response": "yes"})
    assert run.is_(Status.RUNNING)
    assert run.to_end().outcome.status is Status.SUCCEEDED


def test_the_answer_does_not_resume_what_a_person_paused() -> None:
    run = Run(orquesta(ASKING)).start()
    inquiry = run.of("ask")
    run.open.remove(inquiry)
    run.send(s.TaskPaused(key=inquiry.key, status=Status.PENDING))
    while run.open:
        run.finish(run.open[0])
    run.send(s.PauseRequested())
    run.finish(inquiry, {"response": "yes"})
    assert (run.state.status, len(run.open)) == (Status.PAUSED, 0)
    run.send(s.ResumeRequested())
    assert run.to_end().outcome.status is Status.SUCCEEDED


def test_a_paused_sub_workflow_that_resumes_resumes_its_parent() -> None:
    run = Run(orquesta(TWO)).start()
    request = run.open[0]
    run.send(s.TaskPaused(key=request.key, status=Status.PAUSED))
    assert run.is_(Status.PAUSED)
    run.send(s.TaskResumed(key=request.key))
    assert run.is_(Status.RUNNING)
    assert run.to_end().outcome.status is Status.SUCCEEDED


@pytest.mark.parametrize("signal", [s.PauseRequested(), s.ResumeRequested(), s.CancelRequested(), s.Start()])
def test_a_finished_workflow_takes_no_more_requests(signal: s.Signal) -> None:
    run = Run(orquesta(TWO)).to_end()
    assert run.send(signal) == []


@pytest.mark.parametrize("name", TEXTS)
def test_pauses_at_every_step_change_nothing_about_the_end(name: str) -> None:
    graph, inputs = TEXTS[name]
    plain = Run(graph, fickle, inputs=inputs).to_end()
    run = Run(graph, fickle, inputs=inputs).start()
    while run.open:
        run.send(s.PauseRequested())
        run.finish(run.open[0])
        if not run.open:
            run.send(s.ResumeRequested())
    assert sorted(run.started) == sorted(plain.started)
    assert run.outcome.status == plain.outcome.status
