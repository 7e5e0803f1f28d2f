"""What packs contribute, over HTTP: actions, rules, triggers, sensors, packs, policies, aliases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.api_stage import ApiStage

RULE = {
    "name": "made",
    "pack": "demo",
    "enabled": True,
    "trigger": {"type": "demo.thing"},
    "criteria": {"trigger.size": {"type": "greaterthan", "pattern": 3}},
    "action": {"ref": "core.noop"},
}


def test_actions_are_listed_narrowed_and_had_by_ref_and_id(stage: ApiStage):
    listed = stage.user.get("/v1/actions").json()
    assert [entry["ref"] for entry in listed] == ["core.local", "core.noop", "demo.greet"]
    greet = stage.user.get("/v1/actions/demo.greet").json()
    assert greet["uid"] == "action:demo:greet"
    assert greet["metadata_file"] == "actions/greet.yaml"
    assert stage.user.get(f"/v1/actions/{greet['id']}").json() == greet
    assert [entry["ref"] for entry in stage.user.get("/v1/actions?pack=demo").json()] == ["demo.greet"]
    assert [entry["ref"] for entry in stage.user.get("/v1/actions?tags=kind:polite").json()] == ["demo.greet"]
    assert stage.user.get("/v1/actions?tags=kind:rude").json() == []
    page = stage.user.get("/v1/actions?limit=1&offset=1&include_attributes=name")
    assert page.headers["X-Total-Count"] == "3"
    assert page.json() == [{"id": page.json()[0]["id"], "ref": "core.noop", "name": "noop"}]
    missing = stage.user.get("/v1/actions/demo.gret")
    assert missing.status_code == 404


def test_views_of_an_action_merge_the_runners_parameters(stage: ApiStage):
    parameters = stage.user.get("/v1/actions/views/parameters/core.local").json()["parameters"]
    assert parameters["cmd"]["required"] is True
    assert parameters["timeout"]["default"] == 60
    overview = stage.user.get("/v1/actions/views/overview/core.local").json()
    assert overview["parameters"] == parameters
    assert stage.user.get("/v1/actions/views/overview?pack=core").headers["X-Total-Count"] == "2"
    assert stage.user.get("/v1/actions/views/entry_point/core.local").status_code == 404


@pytest.mark.parametrize(
    ("noun", "ref"), [("actions", "core.noop"), ("rules", "demo.on_thing"), ("sensortypes", "demo.Watch")]
)
def test_enabling_puts_the_whole_object_back_as_stackstorms_client_does(stage: ApiStage, noun: str, ref: str):
    path = f"/v1/{noun}/{ref}"
    before = stage.user.get(path).json()
    body = {key: value for key, value in before.items() if key != "ref"}
    changed = stage.user.put(path, json={**body, "enabled": not before["enabled"]})
    assert changed.status_code == 200, changed.text
    assert stage.user.get(path).json()["enabled"] is not before["enabled"]
    stage.registrar.reload()
    assert stage.user.get(path).json()["enabled"] is not before["enabled"], "a reload keeps a person's choice"
    verbs = [entry["verb"] for entry in stage.user.get("/v1/audit?actor=ada").json() if entry["ref"] == ref]
    assert verbs[0] == ("disabled" if before["enabled"] else "enabled")
    stage.user.put(path, json={**body, "enabled": before["enabled"]})


def test_a_disabled_action_is_not_run(stage: ApiStage):
    stage.user.put("/v1/actions/core.local", json={"enabled": False})
    answer = stage.user.post("/v1/executions", json={"action": "core.local", "parameters": {"cmd": "date"}})
    assert answer.status_code == 400
    assert "st-ops action enable core.local" in answer.json()["faultstring"]
    stage.user.put("/v1/actions/core.local", json={"enabled": True})


def test_what_a_packs_file_describes_is_changed_there(stage: ApiStage):
    answer = stage.user.put("/v1/actions/demo.greet", json={"runner_type": "local-shell-cmd"})
    assert answer.status_code == 409
    assert "actions/greet.yaml of pack 'demo'" in answer.json()["faultstring"]
    assert stage.user.delete("/v1/rules/demo.on_hook").status_code == 409


def test_a_rule_is_made_changed_and_removed(stage: ApiStage):
    made = stage.user.post("/v1/rules", json=RULE)
    assert made.status_code == 201, made.text
    assert made.json()["ref"] == "demo.made"
    twice = stage.user.post("/v1/rules", json=RULE)
    assert twice.status_code == 409
    assert twice.json()["conflict-id"] == made.json()["id"]
    changed = stage.user.put(
        "/v1/rules/demo.made", json={**made.json(), "criteria": {}, "description": "Changed."}
    )
    assert changed.json()["description"] == "Changed."
    assert changed.json()["id"] == made.json()["id"]
    assert stage.user.delete("/v1/rules/demo.made").status_code == 204
    assert stage.user.get("/v1/rules/demo.made").status_code == 404


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trigger": {"type": "demo.nothing"}}, "There is no trigger type 'demo.nothing'"),
        ({"action": {"ref": "demo.nothing"}}, "There is no action 'demo.nothing'"),
        ({"criteria": {"trigger.size": {"type": "bigger", "pattern": 1}}}, "bigger"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_rule_is_refused_with_the_key(stage: ApiStage, change: dict[str, Any], said: str):
    answer = stage.user.post("/v1/rules", json={**RULE, "name": "wrong", **change})
    assert answer.status_code == 400
    assert said in answer.json()["faultstring"]


def test_rules_are_narrowed_and_viewed(stage: ApiStage):
    assert [entry["ref"] for entry in stage.user.get("/v1/rules?action=demo.greet").json()] == [
        "demo.on_hook"
    ]
    assert [entry["ref"] for entry in stage.user.get("/v1/rules?trigger=demo.thing").json()] == [
        "demo.on_thing"
    ]
    assert [entry["ref"] for entry in stage.user.get("/v1/rules?enabled=true").json()] == ["demo.on_hook"]
    view = stage.user.get("/v1/rules/views/demo.on_hook").json()
    assert view["action"]["description"] == "Says hello."


def test_a_rule_is_tested_against_an_event_that_never_was(stage: ApiStage):
    event = {"trigger": "core.st2.webhook", "payload": {"body": {"level": "high"}}}
    answer = stage.user.post("/v1/rules/test", json={"rule": "demo.on_hook", "trigger_instance": event})
    assert answer.status_code == 200
    assert answer.json()["trigger"].startswith("core."), "the trigger the rule made of the type"
    own = stage.user.post("/v1/rules/test", json={"rule": RULE, "trigger_instance": {"payload": {"size": 4}}})
    assert own.json()["trigger"] == "demo.thing"
    missing = stage.user.post("/v1/rules/test", json={"rule": "demo.on_hook", "trigger_instance": "0" * 24})
    assert missing.status_code == 404
    wrong = stage.user.post(
        "/v1/rules/test", json={"rule": "demo.on_hook", "trigger_instance": {"payload": 3}}
    )
    assert wrong.status_code == 400


def test_triggers_are_types_and_what_rules_made_of_them(stage: ApiStage):
    types = [entry["ref"] for entry in stage.user.get("/v1/triggertypes").json()]
    assert types == ["core.st2.webhook", "demo.thing", "demo.watched", "monitoring.alertmanager"]
    hooks = stage.user.get("/v1/triggers?type=core.st2.webhook").json()
    assert {"url": "hook/one"} in [entry["parameters"] for entry in hooks]
    made = stage.user.get(f"/v1/triggers/{hooks[0]['ref']}").json()
    assert made["uid"].startswith("trigger:core:")
    assert stage.user.get("/v1/triggertypes/demo.thing").json()["payload_schema"]["required"] == ["size"]


def test_sensors_runners_policies_and_aliases_are_listed(stage: ApiStage):
    assert stage.user.get("/v1/sensortypes").json()[0]["trigger_types"] == ["demo.watched"]
    assert stage.user.get("/v1/sensortypes?trigger=demo.watched").headers["X-Total-Count"] == "1"
    assert stage.user.get("/v1/runnertypes?name=noop").json()[0]["uid"] == "runner_type:noop"
    assert (
        stage.user.get("/v1/runnertypes/local-shell-cmd").json()["runner_parameters"]["timeout"]["default"]
        == 60
    )
    assert stage.user.get("/v1/policies").json()[0]["resource_ref"] == "demo.greet"
    assert [entry["ref"] for entry in stage.user.get("/v1/policytypes").json()] == [
        "action.concurrency", "action.concurrency.attr", "action.retry", "action.timeout",
    ]  # fmt: skip
    assert stage.user.get("/v1/actionalias/demo.hello").json()["formats"] == ["hello {{name}}"]


def test_packs_are_listed_and_read_anew(stage: ApiStage):
    listed = stage.user.get("/v1/packs").json()
    assert [entry["ref"] for entry in listed] == ["core", "demo", "monitoring"]
    assert str(stage.home) not in stage.user.get("/v1/packs").text, "where a pack lies is not told"
    assert "demo.greet" in stage.user.get("/v1/packs/demo").json()["content"]["actions"]
    assert stage.user.post("/v1/packs/register", json={}).status_code == 403
    (stage.packs / "demo" / "actions" / "late.yaml").write_text("name: late\nrunner_type: noop\n")
    done = stage.admin.post("/v1/packs/register", json={"packs": ["demo"]}).json()
    assert done["problems"] == []
    assert stage.user.get("/v1/actions/demo.late").status_code == 200
    broken = stage.packs / "demo" / "actions" / "broken.yaml"
    broken.write_text("name: broken\nrunner_type: nonsense\n")
    done = stage.admin.post("/v1/packs/register", json={"packs": ["demo"], "fail_on_failure": True})
    assert done.status_code == 400
    assert done.json()["problems"][0]["line"] == 2
    assert stage.user.get("/v1/status").json()["problems"][0]["pack"] == "demo"
    for path in (broken, stage.packs / "demo" / "actions" / "late.yaml"):
        path.unlink()
    stage.admin.post("/v1/packs/register", json={"packs": ["demo"]})
    assert stage.user.get("/v1/actions/demo.late").status_code == 404


def test_the_root_and_the_status_tell_what_this_is(stage: ApiStage):
    assert stage.user.get("/v1/").json()["name"] == "st_ops"
    status = stage.user.get("/v1/status").json()
    assert status["registered"]["packs"] == 3
    assert status["store"] == "sqlite"
