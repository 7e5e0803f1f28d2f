"""The datastore over HTTP."""

from __future__ import annotations

from tests.unit.api.api_stage import ApiStage


def test_a_value_is_stored_listed_and_removed(stage: ApiStage):
    assert stage.user.put("/v1/keys/web.size", json={"value": "3"}).json()["value"] == "3"
    assert stage.user.get("/v1/keys/web.size").json()["scope"] == "st2kv.system"
    assert [entry["name"] for entry in stage.user.get("/v1/keys?prefix=web.").json()] == ["web.size"]
    assert stage.user.delete("/v1/keys/web.size").status_code == 204
    assert stage.user.get("/v1/keys/web.size").status_code == 404
    assert stage.user.delete("/v1/keys/web.size").status_code == 404


def test_a_secret_is_shown_only_to_an_administrator_who_asks(stage: ApiStage):
    stage.user.put("/v1/keys/token", json={"value": "hush-hush", "secret": True})
    for answer in (
        stage.user.get("/v1/keys/token"),
        stage.user.get("/v1/keys"),
        stage.admin.get("/v1/keys/token"),
    ):
        assert "hush-hush" not in answer.text
        assert "********" in answer.text
    assert stage.user.get("/v1/keys/token?decrypt=true").status_code == 403
    assert stage.admin.get("/v1/keys/token?decrypt=true").json()["value"] == "hush-hush"
    assert "hush-hush" not in stage.admin.get("/v1/audit?kind=key_value").text


def test_a_user_has_keys_of_his_own(stage: ApiStage):
    stage.user.put("/v1/keys/mine?scope=user", json={"value": "a", "secret": True})
    seen = stage.user.get("/v1/keys/mine?scope=user&decrypt=true").json()
    assert (seen["name"], seen["value"], seen["user"]) == ("mine", "a", "ada")
    assert stage.admin.get("/v1/keys/mine?scope=user").status_code == 404
    assert stage.admin.get("/v1/keys/mine?scope=user&user=ada").status_code == 200
    assert stage.user.get("/v1/keys/mine?scope=user&user=bob").status_code == 403
    both = stage.user.get("/v1/keys?scope=all").json()
    assert "st2kv.user" in {entry["scope"] for entry in both}


def test_a_wrong_scope_or_ttl_is_refused(stage: ApiStage):
    assert "system or user" in stage.user.get("/v1/keys/x?scope=world").json()["faultstring"]
    answer = stage.user.put("/v1/keys/x", json={"value": "1", "ttl": -1})
    assert answer.status_code == 400
    assert "ttl" in answer.json()["faultstring"]
