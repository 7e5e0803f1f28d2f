"""Questions to people: a workflow asks, waits without a worker, and goes on with the answer, or when time is up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from st_ops.errors import Conflict, Forbidden, InvalidInput, NotFound
from st_ops.model.executions import Execution
from st_ops.model.status import Status
from st_ops.security.secrets import is_sealed
from st_ops.store import events, history
from tests.unit.executions.platform import Stages
from tests.waiting import eventually

ASK = """\
name: ask
runner_type: inquirer
parameters:
  route: {default: ops}
  schema:
    default:
      type: object
      properties:
        approved: {type: boolean, description: Go on?, required: true}
        pin: {type: string, secret: true}
"""
APPROVAL = """\
version: 1.0
input: [users, ttl]
tasks:
  ask:
    action: t.ask users=<% ctx().users %> ttl=<% ctx().ttl %>
    next:
      - when: <% succeeded() %>
        publish: [approved: <% result().response.approved %>]
        do: after
      - when: <% failed() %>
        publish: [approved: never]
        do: after
  after: {action: core.noop}
output: [approved: <% ctx().approved %>]
"""
FILES = {
    "actions/ask.yaml": ASK,
    "actions/approval.yaml": """\
        name: approval
        runner_type: orquesta
        entry_point: workflows/approval.yaml
        parameters: {users: {type: array, default: []}, ttl: {type: integer, default: 1440}}
    """.replace("        ", ""),
    "actions/workflows/approval.yaml": APPROVAL,
    "rules/forward.yaml": """\
name: forward
enabled: true
trigger: {type: core.st2.generic.inquiry}
criteria: {trigger.route: {type: equals, pattern: ops}}
action: {ref: core.noop}
""",
}


@pytest.fixture
def stages(tmp_path: Path) -> Iterator[Stages]:
    opened = Stages(tmp_path, FILES)
    assert [problem for problem in opened.problems if "/t/" in str(problem)] == []
    yield opened
    opened.close()


def asked(stages: Stages, **parameters: object) -> tuple[Execution, Execution]:
    """A workflow that is paused because of its question, and the question."""
    workflow = stages.ask("t.approval", parameters=parameters)
    stages.reached(workflow, Status.PAUSED)

    def question() -> list[Execution]:
        with stages.platform.database.read() as tx:
            return history.descendants(tx, workflow.id, result=True)

    (found,) = eventually(question)
    assert found.status is Status.PENDING
    return workflow, found


def test_a_workflow_waits_for_the_answer_and_goes_on_with_it(stages: Stages):
    workflow, question = asked(stages)
    assert question.worker_id is None
    assert question.result["route"] == "ops"
    stages.platform.inquiries.respond(question.id, {"approved": True, "pin": "1234"}, "ann", admin=False)
    (ended,) = stages.ended(workflow)
    assert (ended.status, ended.result["output"]) == (Status.SUCCEEDED, {"approved": True})
    answered = stages.get(question.id)
    assert (answered.status, answered.reason) == (Status.SUCCEEDED, "answered by ann")
    assert answered.result["response"]["approved"] is True
    assert is_sealed(answered.result["response"]["pin"])
    assert stages.verbs(question) == ["requested", "running", "pending", "succeeded"]


def test_rules_hear_of_a_question_once(stages: Stages):
    _, question = asked(stages)

    def heard() -> list[Execution]:
        with stages.platform.database.read() as tx:
            return history.find(tx, history.ExecutionFilter(rule="t.forward"))

    (forwarded,) = eventually(heard)
    assert forwarded.trigger_instance_id is not None
    with stages.platform.database.read() as tx:
        event = events.get_many(tx, {forwarded.trigger_instance_id})[forwarded.trigger_instance_id]
    assert event.payload == {"id": question.id, "route": "ops"}


def test_a_wrong_answer_is_refused_and_the_question_stays_open(stages: Stages):
    workflow, question = asked(stages, users=["ann"])
    respond = stages.platform.inquiries.respond
    with pytest.raises(InvalidInput, match=r"response is not valid: approved: 'maybe' is not of type"):
        respond(question.id, {"approved": "maybe"}, "ann", admin=False)
    with pytest.raises(InvalidInput, match="'approved' is a required property"):
        respond(question.id, {}, "ann", admin=False)
    with pytest.raises(InvalidInput, match="must be an object"):
        respond(question.id, "yes", "ann", admin=False)
    for admin in (False, True):
        with pytest.raises(Forbidden, match="is for ann, not for 'bob'"):
            respond(question.id, {"approved": True}, "bob", admin=admin)
    for other in (workflow.id, "0" * 24):
        with pytest.raises(NotFound, match="There is no inquiry"):
            respond(other, {"approved": True}, "ann", admin=False)
    assert stages.get(question.id).status is Status.PENDING
    respond(question.id, {"approved": False}, "ann", admin=False)
    with pytest.raises(Conflict, match="was answered already"):
        respond(question.id, {"approved": True}, "ann", admin=False)
    (ended,) = stages.ended(workflow)
    assert ended.result["output"] == {"approved": False}


def test_a_question_for_a_role_is_for_administrators(stages: Stages):
    question = stages.ask("t.ask", parameters={"roles": ["approver"]})
    stages.reached(question, Status.PENDING)
    with pytest.raises(Forbidden, match="with a role of approver"):
        stages.platform.inquiries.respond(question.id, {"approved": True}, "ann", admin=False)
    stages.platform.inquiries.respond(question.id, {"approved": True}, "root", admin=True)
    assert stages.get(question.id).status is Status.SUCCEEDED


def test_a_question_that_nobody_answers_lapses_and_its_workflow_goes_on(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
):
    from datetime import timedelta

    from st_ops.executions import inquiries
    from st_ops.model import identity

    workflow, question = asked(stages, ttl=30)
    assert stages.platform.inquiries.sweep() == []
    monkeypatch.setattr(inquiries, "now", lambda: identity.now() + timedelta(minutes=31))
    eventually(lambda: stages.get(question.id).status is Status.TIMEOUT)
    lapsed = stages.get(question.id)
    assert lapsed.reason == "nobody answered within 30 minutes"
    assert lapsed.result["ttl"] == 30
    with pytest.raises(Conflict, match="lapsed without an answer"):
        stages.platform.inquiries.respond(question.id, {"approved": True}, "ann", admin=False)
    (ended,) = stages.ended(workflow)
    assert ended.result["output"] == {"approved": "never"}


def test_a_canceled_workflow_takes_its_question_back(stages: Stages):
    workflow, question = asked(stages)
    stages.platform.orders.cancel(workflow.id, "ann")
    assert [entry.status for entry in stages.ended(workflow, question)] == [Status.CANCELED] * 2


def test_a_question_survives_a_restart(tmp_path: Path):
    first = Stages(tmp_path, FILES)
    workflow, question = asked(first)
    first.close()
    second = Stages(tmp_path, FILES)
    assert second.get(question.id).status is Status.PENDING
    second.platform.inquiries.respond(question.id, {"approved": True}, "ann", admin=False)
    (ended,) = second.ended(workflow)
    assert ended.status is Status.SUCCEEDED
    second.close()
