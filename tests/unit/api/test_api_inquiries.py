"""Inquiries over the API and at the command line, in StackStorm's shapes."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from st_ops.cli import inquiries
from st_ops.executions.requests import Request
from st_ops.model.executions import Execution
from st_ops.model.status import Status
from st_ops.store.executions import Move
from tests.unit.api.api_stage import ApiStage, write_packs
from tests.unit.cli.conftest import Cli, bare, cli

__all__ = ["bare", "cli"]

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "continue": {"type": "boolean", "description": "Go on?", "required": True},
        "count": {"type": "integer", "default": 2},
        "pin": {"type": "string", "secret": True},
    },
}


@pytest.fixture(scope="module", autouse=True)
def _ask(stage: ApiStage) -> None:
    write_packs(stage.packs, {"core/actions/ask.yaml": "name: ask\nrunner_type: inquirer\n"})
    stage.registrar.reload(["core"])
    stage.catalog.current()


def put(stage: ApiStage, **said: object) -> Execution:
    """A question as a worker would have put it."""
    question, _ = stage.requests.request(Request(action="core.ask", user="ada"))
    result = {"schema": SCHEMA, "route": "", "roles": [], "users": [], "ttl": 1440, **said}
    stage.lifecycle.move([Move(execution_id=question.id, status=Status.RUNNING)])
    stage.lifecycle.move([Move(execution_id=question.id, status=Status.PENDING, result=result)])
    return question


def answer(stage: ApiStage, question: Execution, response: object) -> httpx.Response:
    return stage.user.put(f"/v1/inquiries/{question.id}", json={"id": question.id, "response": response})


def test_inquiries_are_listed_shown_and_answered_once(stage: ApiStage):
    question = put(stage, route="ops", users=["ada"])
    listed = stage.user.get("/v1/inquiries")
    (shown,) = [entry for entry in listed.json() if entry["id"] == question.id]
    assert {name: shown[name] for name in ("route", "ttl", "users", "roles", "schema")} == {
        "route": "ops", "ttl": 1440, "users": ["ada"], "roles": [], "schema": SCHEMA,
    }  # fmt: skip
    assert int(listed.headers["X-Total-Count"]) >= 1
    refused = answer(stage, question, {"continue": "perhaps"})
    assert (refused.status_code, "continue" in refused.json()["faultstring"]) == (400, True)
    done = answer(stage, question, {"continue": True, "pin": "4711"})
    assert done.status_code == 200
    assert done.json() == {"id": question.id, "response": {"continue": True, "pin": "********"}}
    again = answer(stage, question, {"continue": False})
    assert (again.status_code, "answered already" in again.json()["faultstring"]) == (409, True)
    assert question.id not in stage.user.get("/v1/inquiries").text
    whole = stage.user.get(f"/v1/inquiries/{question.id}").json()
    assert (whole["status"], whole["response"]["continue"]) == ("succeeded", True)
    assert "4711" not in json.dumps(whole)
    assert "4711" not in stage.user.get(f"/v1/executions/{question.id}").text
    opened = stage.admin.get(f"/v1/executions/{question.id}?show_secrets=true").json()
    assert opened["result"]["response"]["pin"] == "4711"


def test_what_is_no_inquiry_or_not_for_the_caller_is_refused(stage: ApiStage):
    noop, _ = stage.requests.request(Request(action="core.noop"))
    assert stage.user.get(f"/v1/inquiries/{noop.id}").status_code == 404
    assert answer(stage, noop, {}).status_code == 404
    refused = answer(stage, put(stage, users=["bob"]), {"continue": True})
    assert (refused.status_code, "is for bob" in refused.json()["faultstring"]) == (403, True)
    assert answer(stage, put(stage, roles=["approver"]), {"continue": True}).status_code == 403
    nothing = stage.user.put(f"/v1/inquiries/{put(stage).id}", json={})
    assert (nothing.status_code, "response" in nothing.json()["faultstring"]) == (400, True)


def test_inquiries_are_answered_at_the_command_line(
    cli: Cli, stage: ApiStage, monkeypatch: pytest.MonkeyPatch
):
    question = put(stage, route="ops")
    assert question.id in cli("inquiry", "list").out
    assert "Go on?" in cli("inquiry", "get", question.id).out
    alone = cli("inquiry", "respond", question.id)
    assert (alone.code, "Nobody is there to be asked" in alone.err) == (2, True)
    both = cli("inquiry", "respond", question.id, "continue=yes", "-r", "{}")
    assert both.code == 2
    wrong = cli("inquiry", "respond", question.id, "contine=yes")
    assert (wrong.code, "Did you mean 'continue'?" in wrong.err) == (1, True)
    done = cli("inquiry", "respond", question.id, "continue=yes", "-o", "json")
    assert json.loads(done.out)["response"] == {"continue": True}
    other = put(stage)
    assert cli("inquiry", "respond", other.id, "-r", '{"continue": false}').code == 0
    assert "continue: false" in cli("inquiry", "get", other.id, "-o", "yaml").out


def test_a_person_is_asked_for_each_value_until_its_type_is_right(monkeypatch: pytest.MonkeyPatch):
    typed = iter(["maybe", "yes", "", ""])
    asked: list[tuple[str, bool]] = []

    def prompt(text: str, **options: object) -> str:
        asked.append((text, bool(options["hide_input"])))
        return next(typed)

    monkeypatch.setattr("typer.prompt", prompt)
    assert inquiries.ask_for(SCHEMA["properties"], set()) == {"continue": True, "count": 2}
    assert asked == [
        ("continue (Go on?; boolean)", False), ("continue (Go on?; boolean)", False),
        ("count (integer; default 2)", False), ("pin (string)", True),
    ]  # fmt: skip
