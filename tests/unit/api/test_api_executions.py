"""Executions over HTTP, in StackStorm's shape."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Mapping
from typing import Any

from st_ops.model.executions import OutputLine
from st_ops.store import outputs
from tests.unit.api.api_stage import ApiStage


def _run(
    stage: ApiStage, action: str = "demo.greet", headers: Mapping[str, str] | None = None, **body: Any
) -> dict[str, Any]:
    parameters = body.pop("parameters", {"name": "Ada"} if action == "demo.greet" else {})
    answer = stage.user.post(
        "/v1/executions", json={"action": action, "parameters": parameters, **body}, headers=headers
    )
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def test_a_requested_execution_has_stackstorms_shape(stage: ApiStage):
    made = _run(stage, parameters={"name": "Ada", "times": 2})
    assert made["status"] == "requested"
    assert made["action"]["ref"] == "demo.greet"
    assert made["action"]["uid"] == "action:demo:greet"
    assert made["runner"]["name"] == "noop"
    assert made["liveaction"]["action"] == "demo.greet"
    assert made["liveaction"]["id"] == made["id"]
    assert made["parameters"] == {"name": "Ada", "times": 2} | {
        key: made["parameters"][key] for key in made["parameters"] if key not in ("name", "times")
    }
    assert made["context"]["user"] == "ada"
    assert [entry["status"] for entry in made["log"]] == ["requested"]
    assert made["start_timestamp"].endswith("Z")
    assert "result" not in made, "falsy attributes are left out"
    assert "children" not in made


def test_the_shape_follows_the_run(stage: ApiStage):
    made = _run(stage)
    stage.finish(made["id"], {"said": "hello"})
    seen = stage.user.get(f"/v1/executions/{made['id']}").json()
    assert seen["status"] == "succeeded"
    assert seen["result"] == {"said": "hello"}
    assert [entry["status"] for entry in seen["log"]] == ["requested", "running", "succeeded"]
    assert seen["elapsed_seconds"] > 0
    assert stage.user.get("/v1/executions/last").json()["id"] == made["id"]


def test_wrong_parameters_create_nothing_and_name_the_parameter(stage: ApiStage):
    before = stage.user.get("/v1/executions?limit=0").headers["X-Total-Count"]
    for parameters, name in (
        ({}, "name"),
        ({"name": "a", "times": "many"}, "times"),
        ({"name": "a", "nope": 1}, "nope"),
    ):
        answer = stage.user.post("/v1/executions", json={"action": "demo.greet", "parameters": parameters})
        assert answer.status_code == 400
        assert name in answer.json()["faultstring"]
    assert stage.user.get("/v1/executions?limit=0").headers["X-Total-Count"] == before
    answer = stage.user.post("/v1/executions", json={"action": "demo.missing"})
    assert answer.status_code == 404
    assert "st-ops action list" in answer.json()["faultstring"]


def test_a_secret_parameter_is_masked_for_all_but_an_administrator_who_asks(stage: ApiStage):
    made = _run(stage, parameters={"name": "Ada", "pin": "s3cret-pin"})
    path = f"/v1/executions/{made['id']}"
    assert made["parameters"]["pin"] == "********"
    for answer in (stage.user.get(path), stage.admin.get(path), stage.user.get("/v1/executions")):
        assert "s3cret-pin" not in answer.text
        assert "$sealed" not in answer.text
    assert stage.admin.get(path + "?show_secrets=true").json()["parameters"]["pin"] == "s3cret-pin"
    refused = stage.user.get(path + "?show_secrets=true")
    assert refused.status_code == 403
    assert "administrator" in refused.json()["faultstring"]


def test_a_sealed_value_from_outside_is_refused(stage: ApiStage):
    parameters = {"name": "x", "extra": {"deep": [{"$sealed": "abc"}]}}
    answer = stage.user.post("/v1/executions", json={"action": "demo.greet", "parameters": parameters})
    assert answer.status_code == 400
    assert "extra.deep[0]" in answer.json()["faultstring"]


def test_the_same_run_key_gives_the_same_execution_also_at_once(stage: ApiStage):
    answers: list[Any] = []

    def ask() -> None:
        body = {"action": "demo.greet", "parameters": {"name": "Ada"}, "run_key": "2026-01-31"}
        answers.append(stage.user.post("/v1/executions", json=body))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    again = stage.user.post(
        "/v1/executions",
        json={"action": "demo.greet", "parameters": {"name": "Ada"}},
        headers={"Idempotency-Key": "2026-01-31"},
    )
    assert again.status_code == 200


def test_included_and_excluded_attributes_reach_inside(stage: ApiStage):
    made = _run(stage)
    path = f"/v1/executions/{made['id']}"
    chosen = stage.user.get(path + "?include_attributes=status,action.ref,result,runner.no.such").json()
    assert chosen == {"id": made["id"], "status": made["status"], "action": {"ref": "demo.greet"}}
    left = stage.user.get(path + "?exclude_attributes=runner,action.parameters").json()
    assert "runner" not in left
    assert "parameters" not in left["action"]
    assert left["action"]["ref"] == "demo.greet"


def test_lists_are_bare_arrays_with_counts_newest_first(stage: ApiStage):
    ids = [_run(stage, "core.noop", run_key=f"list-{index}")["id"] for index in range(3)]
    answer = stage.user.get("/v1/executions/?action=core.noop&limit=2&include_attributes=status")
    assert answer.headers["X-Limit"] == "2"
    assert int(answer.headers["X-Total-Count"]) == 3
    assert [entry["id"] for entry in answer.json()] == ids[:0:-1]
    oldest = stage.user.get("/v1/actionexecutions?action=core.noop&sort_asc=true&limit=1&offset=1").json()
    assert oldest[0]["id"] == ids[1]
    assert stage.user.get("/v1/executions?run_key=list-2").json()[0]["id"] == ids[2]
    assert stage.user.get("/v1/executions?action=core.noop&status=running,failed").json() == []
    assert len(stage.user.get("/v1/executions?parent=null&action=core.noop").json()) == 3
    since = stage.user.get(f"/v1/executions/{ids[0]}").json()["created_at"]
    assert len(stage.user.get(f"/v1/executions?action=core.noop&timestamp_gt={since}").json()) == 2


def test_a_wrong_filter_is_refused_with_what_is_possible(stage: ApiStage):
    assert "requested, scheduled" in stage.user.get("/v1/executions?status=ready").json()["faultstring"]
    answer = stage.user.get("/v1/executions?timestamp_gt=yesterday")
    assert answer.status_code == 400
    assert "2026-01-31T12:00:00Z" in answer.json()["faultstring"]


def test_cancel_by_delete_and_by_status(stage: ApiStage):
    first, second = _run(stage), _run(stage)
    answer = stage.user.delete(f"/v1/executions/{first['id']}")
    assert answer.json()["status"] == "canceled"
    again = stage.user.delete(f"/v1/executions/{first['id']}")
    assert again.status_code == 200
    assert "cannot be canceled any more" in again.json()["faultstring"]
    assert (
        stage.user.put(f"/v1/executions/{second['id']}", json={"status": "canceling"}).json()["status"]
        == "canceled"
    )
    refused = stage.user.put(f"/v1/executions/{second['id']}", json={"status": "succeeded"})
    assert refused.status_code == 400
    assert "pausing, resuming or canceling" in refused.json()["faultstring"]
    plain = stage.user.put(f"/v1/executions/{_run(stage)['id']}", json={"status": "pausing"})
    assert plain.status_code == 400
    assert "no workflow" in plain.json()["faultstring"]


def test_an_execution_is_run_again_with_its_secrets_and_some_other_parameters(stage: ApiStage):
    first = _run(stage, parameters={"name": "Ada", "pin": "s3cret-pin"})
    answer = stage.user.post(f"/v1/executions/{first['id']}/re_run", json={"parameters": {"name": "Bob"}})
    assert answer.status_code == 201
    again = stage.admin.get(f"/v1/executions/{answer.json()['id']}?show_secrets=true").json()
    assert again["parameters"]["name"] == "Bob"
    assert again["parameters"]["pin"] == "s3cret-pin"
    assert again["context"]["re-run"] == {"ref": first["id"]}


def test_running_for_somebody_else_is_for_administrators(stage: ApiStage):
    body = {"action": "core.noop", "user": "bob"}
    assert stage.user.post("/v1/executions", json=body).status_code == 403
    assert stage.admin.post("/v1/executions", json=body).json()["context"]["user"] == "bob"


def test_the_result_and_single_attributes_are_had_alone(stage: ApiStage):
    made = _run(stage)
    path = f"/v1/executions/{made['id']}"
    assert stage.user.get(path + "/result").status_code == 404
    large = {"text": "x" * 100_000}
    stage.finish(made["id"], large)
    assert stage.user.get(path + "/attribute/result").json() == large
    assert stage.user.get(path + "/attribute/status").json() == "succeeded"
    assert "result" not in stage.user.get(path + "?max_result_size=1000").json()
    assert stage.user.get(path + "?max_result_size=1000000").json()["result"] == large
    answer = stage.user.get(path + "/result?download=true&compress=true")
    assert answer.json() == large
    assert made["id"] in answer.headers["Content-Disposition"]
    with stage.user.stream("GET", path + "/result?compress=true") as raw:
        assert gzip.decompress(b"".join(raw.iter_raw())).startswith(b'{"text"')


def test_the_output_is_text_or_json(stage: ApiStage):
    made = _run(stage)
    lines = [
        OutputLine(execution_id=made["id"], seq=1, data="one\n"),
        OutputLine(execution_id=made["id"], seq=2, stream="stderr", data="two\n"),
    ]
    with stage.database.write() as tx:
        outputs.append(tx, lines)
    path = f"/v1/executions/{made['id']}/output"
    assert stage.user.get(path).text == "one\ntwo\n"
    assert stage.user.get(path + "?output_type=stderr").text == "two\n"
    listed = stage.user.get(path + "?output_format=json").json()
    assert [(entry["output_type"], entry["data"]) for entry in listed] == [
        ("stdout", "one\n"),
        ("stderr", "two\n"),
    ]


def test_children_are_listed_by_level_and_in_the_parent(stage: ApiStage):
    from st_ops.executions.requests import Request

    parent = _run(stage, "core.noop")
    child, _ = stage.requests.request(
        Request(action="core.noop", user="ada", parent_id=parent["id"], root_id=parent["id"])
    )
    below, _ = stage.requests.request(
        Request(action="core.noop", user="ada", parent_id=child.id, root_id=parent["id"])
    )
    path = f"/v1/executions/{parent['id']}"
    assert stage.user.get(path).json()["children"] == [child.id]
    assert [entry["id"] for entry in stage.user.get(path + "/children").json()] == [child.id, below.id]
    assert [entry["id"] for entry in stage.user.get(path + "/children?depth=1").json()] == [child.id]
    assert stage.user.get(f"/v1/executions/{child.id}").json()["parent"] == parent["id"]
    roots = stage.user.get("/v1/executions?parent=null&include_attributes=id").json()
    assert child.id not in [entry["id"] for entry in roots]


def test_filters_name_the_values_there_are(stage: ApiStage):
    found = stage.user.get("/v1/executions/views/filters?types=status,action").json()
    assert set(found) == {"status", "action"}
    assert "demo.greet" in found["action"]


def test_many_executions_are_requested_together_or_not_at_all(stage: ApiStage):
    wishes = [{"action": "core.noop"}, {"action": "demo.greet", "parameters": {"name": "Ada"}}]
    made = stage.user.post("/v1/executions/batch", json={"executions": wishes})
    assert made.status_code == 201
    assert [(entry["action"], entry["new"]) for entry in made.json()] == [
        ("core.noop", True),
        ("demo.greet", True),
    ]
    before = stage.user.get("/v1/executions").headers["X-Total-Count"]
    bad = stage.user.post("/v1/executions/batch", json={"executions": [*wishes, {"action": "demo.greet"}]})
    assert bad.status_code == 400
    assert "executions[2]: Parameter 'name'" in bad.json()["faultstring"]
    assert stage.user.get("/v1/executions").headers["X-Total-Count"] == before
