"""How a request comes in: token, path, id; and how errors go out."""

from __future__ import annotations

import base64

import pytest

from st_ops.api.middleware import normal_path
from tests.unit.api.api_stage import ApiStage


def test_everything_but_health_needs_a_token(stage: ApiStage):
    for path in ("/", "/v1/executions", "/metrics", "/openapi.json", "/v1/keys", "/v1/webhooks", "/nowhere"):
        answer = stage.nobody.get(path)
        assert answer.status_code == 401, path
        assert "needs a token" in answer.json()["faultstring"]
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert stage.nobody.post("/v1/webhooks/st2", json={}).status_code == 401
    assert stage.nobody.get("/health/live").status_code == 200
    assert stage.nobody.get("/v1/health/ready").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        lambda token: {"X-Auth-Token": token},
        lambda token: {"Authorization": f"Bearer {token}"},
        lambda token: {"St2-Api-Key": token},
        lambda token: {"Authorization": "Basic " + base64.b64encode(f"prometheus:{token}".encode()).decode()},
    ],
)
def test_a_token_may_stand_in_any_of_these_headers(stage: ApiStage, headers):
    answer = stage.nobody.get("/v1/user", headers=headers(stage.user_token))
    assert answer.json()["username"] == "ada"


def test_a_token_may_stand_in_the_query_and_reaches_no_log(stage: ApiStage, caplog):
    caplog.set_level("DEBUG")
    answer = stage.nobody.get(f"/v1/user?x-auth-token={stage.user_token}")
    assert answer.json()["authentication"]["location"] == "query-parameter"
    assert stage.user_token not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith(("st_ops", "uvicorn"))
    )


def test_a_wrong_token_is_refused(stage: ApiStage):
    answer = stage.nobody.get("/v1/user", headers={"X-Auth-Token": "no-such-token"})
    assert answer.status_code == 401
    assert "not known" in answer.json()["faultstring"]
    basic = stage.nobody.get("/v1/user", headers={"Authorization": "Basic %%%"})
    assert "not valid basic authentication" in basic.json()["faultstring"]


@pytest.mark.parametrize(
    ("given", "routed"),
    [
        ("/v1/executions", "/executions"),
        ("/executions/", "/executions"),
        ("/v1/actionexecutions/last/", "/executions/last"),
        ("/api/v1/rules", "/rules"),
        ("/stream/v1/stream", "/stream"),
        ("/stream", "/stream"),
        ("/auth/v1/tokens", "/tokens"),
        ("/v1", "/"),
        ("/v1x/y", "/v1x/y"),
        ("/actionexecutionsx", "/actionexecutionsx"),
    ],
)
def test_every_form_of_a_path_reaches_the_one_route(given: str, routed: str):
    assert normal_path(given) == routed


def test_the_request_id_is_echoed_or_made(stage: ApiStage):
    assert stage.user.get("/v1/user", headers={"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == "abc-1"
    made = stage.user.get("/v1/user", headers={"X-Request-ID": "with spaces; and more"}).headers[
        "X-Request-ID"
    ]
    assert len(made) == 24


def test_an_unknown_path_and_a_wrong_method_say_so(stage: ApiStage):
    assert stage.user.get("/v1/nowhere").json()["faultstring"].startswith("There is nothing at /nowhere")
    answer = stage.user.delete("/v1/status")
    assert answer.status_code == 405
    assert "DELETE is not possible" in answer.json()["faultstring"]


def test_a_body_that_is_not_json_is_refused_with_a_sentence(stage: ApiStage):
    answer = stage.user.post("/v1/executions", content=b"{nope", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["faultstring"].startswith("The body is not valid JSON")
    answer = stage.user.post("/v1/executions", json={"parameters": {}})
    assert answer.json()["faultstring"] == "'action' in the body is not valid: Field required."


def test_lists_beyond_the_page_limit_are_for_administrators(stage: ApiStage):
    assert stage.user.get("/v1/actions?limit=-1").status_code == 403
    assert stage.user.get("/v1/actions?limit=101").status_code == 403
    assert stage.admin.get("/v1/actions?limit=-1").status_code == 200
    assert stage.admin.get("/v1/actions?limit=-2").status_code == 400


def test_include_and_exclude_do_not_go_together(stage: ApiStage):
    answer = stage.user.get("/v1/actions?include_attributes=name&exclude_attributes=pack")
    assert answer.status_code == 400
    assert "not both" in answer.json()["faultstring"]


def test_the_interface_describes_itself(stage: ApiStage):
    described = stage.user.get("/openapi.json").json()
    assert "/executions/{execution_id}" in described["paths"]
    assert "202" in described["paths"]["/webhooks/{name}"]["post"]["responses"]


def test_the_token_of_an_action_is_its_users_and_makes_no_tokens(stage: ApiStage):
    signed = stage.client(stage.tokens.sign("ada", "0" * 24, 60))
    with signed:
        assert signed.get("/v1/user").json()["username"] == "ada"
        assert signed.post("/v1/tokens").status_code == 403


def test_tokens_are_made_and_validated(stage: ApiStage):
    made = stage.user.post("/v1/tokens", json={"ttl": 60})
    assert made.status_code == 201
    checked = stage.user.post("/v1/tokens/validate", json={"token": made.json()["token"]})
    assert checked.json() == {"valid": True, "user": "ada"}
    assert stage.user.post("/v1/tokens/validate", json={"token": "x"}).json() == {"valid": False}
    assert stage.user.post("/v1/tokens", json={"user": "bob"}).status_code == 403


def test_readiness_names_the_dependency_that_is_missing(stage: ApiStage):
    ready = stage.nobody.get("/health/ready").json()
    assert ready == {"status": "ready", "dependencies": {"store": "ok", "bus": "ok"}}
