"""Events from the outside: accepted once they are on disk, repeats do no harm, what is refused is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from st_ops.api.webhook_names import webhook_triggers
from st_ops.errors import InvalidInput, NotFound
from st_ops.model.events import NewEvent, trigger_ref_for
from st_ops.store import events
from tests.unit.api.api_stage import ApiStage

ALERT: dict[str, Any] = {
    "version": "4",
    "groupKey": "{}:{alertname=\"High\"}",
    "status": "firing",
    "receiver": "st_ops",
    "groupLabels": {"alertname": "High"},
    "commonLabels": {"alertname": "High", "job": "web"},
    "commonAnnotations": {},
    "externalURL": "http://alertmanager",
    "alerts": [
        {
            "status": "firing", "labels": {"alertname": "High", "instance": "a"}, "annotations": {"summary": "busy"},
            "startsAt": "2026-01-31T12:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p",
            "fingerprint": "f1",
        },
        {
            "status": "firing", "labels": {"alertname": "High", "instance": "b"}, "annotations": {},
            "startsAt": "2026-01-31T12:00:05Z", "fingerprint": "f2",
        },
    ],
}  # fmt: skip


def test_a_webhook_that_a_rule_names_is_accepted_with_headers_but_no_secrets(stage: ApiStage):
    answer = stage.user.post(
        "/v1/webhooks/hook/one/",
        json={"level": "high", "who": "Ada"},
        headers={"X-Kind": "test", "Cookie": "a=b"},
    )
    assert answer.status_code == 202
    made = answer.json()
    assert made == {"id": made["ids"][0], "ids": made["ids"], "duplicate": False}
    stored = stage.user.get(f"/v1/triggerinstances/{made['id']}").json()
    assert stored["payload"]["body"] == {"level": "high", "who": "Ada"}
    assert stored["payload"]["headers"]["X-Kind"] == "test"
    assert stored["payload"]["headers_lower"]["x-kind"] == "test"
    assert stage.user_token not in orjson.dumps(stored).decode()
    assert "cookie" not in stored["payload"]["headers_lower"]
    assert stored["source"] == "webhook hook/one"
    listed = stage.user.get("/v1/triggerinstances?trigger_type=core.st2.webhook").json()
    assert made["id"] in [entry["id"] for entry in listed]


@pytest.mark.parametrize("header", ["X-Delivery-Id", "Idempotency-Key"])
def test_a_repeated_delivery_is_answered_with_the_first_id(stage: ApiStage, header: str):
    first, again = (
        stage.user.post("/v1/webhooks/hook/one", json={"n": 1}, headers={header: header}) for _ in range(2)
    )
    assert again.status_code == 202
    assert again.json() == {**first.json(), "duplicate": True}
    other = stage.user.post("/v1/webhooks/hook/one", json={"n": 1}, headers={header: "another"})
    assert other.json()["id"] != first.json()["id"]


def test_a_delivery_repeated_at_the_same_moment_is_stored_once(stage: ApiStage):
    answers: list[httpx.Response] = []

    def post() -> None:
        answers.append(
            stage.user.post("/v1/webhooks/hook/one", json={}, headers={"X-Delivery-Id": "at-once"})
        )

    threads = [threading.Thread(target=post) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum(answer.json()["duplicate"] for answer in answers) == 19


def test_an_unknown_webhook_is_answered_with_those_there_are(stage: ApiStage):
    answer = stage.user.post("/v1/webhooks/nowhere", json={})
    assert answer.status_code == 404
    assert "alertmanager, hook/one, st2" in answer.json()["faultstring"]
    listed = stage.user.get("/v1/webhooks").json()
    assert [entry["url"] for entry in listed] == ["alertmanager", "hook/one", "st2"]
    assert stage.user.get("/v1/webhooks/hook/one").json()["uid"] == "webhook:hook/one"
    assert stage.user.get("/v1/webhooks/nowhere").status_code == 404


def test_a_webhook_works_the_moment_its_rule_is_made(stage: ApiStage):
    rule = {
        "name": "late", "pack": "demo", "enabled": True, "action": {"ref": "core.noop"},
        "trigger": {"type": "core.st2.webhook", "parameters": {"url": "/late/"}},
    }  # fmt: skip
    assert stage.user.post("/v1/rules", json=rule).status_code == 201
    assert stage.user.post("/v1/webhooks/late", json={}).status_code == 202
    stage.user.delete("/v1/rules/demo.late")


def test_a_form_is_a_body_too(stage: ApiStage):
    made = stage.user.post("/v1/webhooks/hook/one", data={"a": "1", "b": ["2", "3"]}).json()
    stored = stage.user.get(f"/v1/triggerinstances/{made['id']}").json()
    assert stored["payload"]["body"] == {"a": "1", "b": ["2", "3"]}


def test_any_trigger_is_emitted_through_st2(stage: ApiStage):
    made = stage.user.post("/v1/webhooks/st2", json={"trigger": "demo.thing", "payload": {"size": 3}})
    assert made.status_code == 202
    stored = stage.user.get(f"/v1/triggerinstances/{made.json()['id']}").json()
    assert (stored["trigger"], stored["payload"], stored["source"]) == ("demo.thing", {"size": 3}, "api ada")
    again = stage.user.post(f"/v1/triggerinstances/{stored['id']}/re_emit").json()
    assert again["payload"] == {"size": 3, "__context": {"original_id": stored["id"]}}
    assert again["id"] != stored["id"]


@pytest.mark.parametrize(
    ("name", "body", "status", "said"),
    [
        ("hook/one", b"{nope", 400, "The body is not valid JSON"),
        ("hook/one", b'"text"', 400, "must be a JSON object or array"),
        ("hook/one", b"\xff\xfe", 400, "The body is not valid JSON"),
        ("st2", b"[]", 400, "must be an object with 'trigger'"),
        ("st2", b'{"trigger": "demo.thing", "payload": {"size": "big"}}', 400, "size"),
        ("st2", b'{"trigger": "demo.thing", "payload": 3}', 400, "'payload' must be an object"),
        ("st2", b'{"trigger": "demo.nothing"}', 404, "There is no trigger 'demo.nothing'"),
        ("alertmanager", b"[]", 400, "must be a JSON object"),
        ("alertmanager", b'{"alerts": [{"labels": {}, "status": "firing"}]}', 400, "alerts[0].startsAt"),
        ("alertmanager", b'{"alerts": [{"status": "odd", "startsAt": "x"}]}', 400, "firing or resolved"),
    ],
)
def test_what_cannot_become_an_event_is_refused_counted_and_kept(
    stage: ApiStage, name: str, body: bytes, status: int, said: str
):
    answer = stage.user.post(
        f"/v1/webhooks/{name}", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status
    assert said in answer.json()["faultstring"]
    kept = stage.user.get("/v1/rejectedevents?limit=1").json()[0]
    assert (kept["source"], kept["status_code"]) == (f"webhook {name}", status)
    assert kept["reason"] == answer.json()["faultstring"]
    assert kept["body"] == body.decode("utf-8", "replace")


def test_a_body_that_is_too_large_is_refused_while_it_arrives(stage: ApiStage):
    limit = stage.settings.intake.max_body_bytes

    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * (limit // 10)

    for content in (b"x" * (limit + 1), pieces()):
        try:
            answer = stage.user.post("/v1/webhooks/hook/one", content=content)
        except httpx.WriteError:
            continue  # the server closed the connection before all was sent, as it should
        assert answer.status_code == 413
        assert "intake.max_body_bytes" in answer.json()["faultstring"]
    with stage.database.read() as tx:
        kept = events.find_rejected(tx, limit=1)[0]
    assert kept.status_code == 413
    assert len(kept.body) <= stage.settings.intake.rejected_body_bytes


def test_alertmanager_makes_one_event_per_alert_and_repeats_do_no_harm(stage: ApiStage):
    first = stage.user.post("/v1/webhooks/alertmanager", json=ALERT)
    assert first.status_code == 202
    assert len(first.json()["ids"]) == 2
    stored = stage.user.get(f"/v1/triggerinstances/{first.json()['ids'][0]}").json()
    assert stored["trigger"] == "monitoring.alertmanager"
    assert stored["payload"]["labels"] == {"alertname": "High", "instance": "a"}
    assert stored["payload"]["episode"] == stored["episode"] == "f1/2026-01-31T12:00:00Z"
    assert stored["payload"]["common_labels"]["job"] == "web"
    assert stored["series"] == "f1"
    again = stage.user.post("/v1/webhooks/alertmanager", json=ALERT).json()
    assert again == {**first.json(), "duplicate": True}
    one_resolved = {**ALERT, "alerts": [{**ALERT["alerts"][0], "status": "resolved"}, ALERT["alerts"][1]]}
    mixed = stage.user.post("/v1/webhooks/alertmanager", json=one_resolved).json()
    assert mixed["duplicate"] is False
    assert mixed["ids"][0] not in first.json()["ids"]
    assert mixed["ids"][1] == first.json()["ids"][1]


def test_the_figures_tell_what_came_in(stage: ApiStage):
    text = stage.user.get("/metrics").text
    assert 'st_ops_events_accepted_total{source="webhook alertmanager"} 3.0' in text
    assert 'st_ops_events_duplicate_total{source="webhook alertmanager"} 3.0' in text
    assert 'st_ops_events_rejected_total{source="webhook hook/one",status="413"}' in text
    assert "st_ops_store_up 1.0" in text
    assert "st_ops_events_pending" in text
    assert (
        'st_ops_http_request_seconds_count{method="POST",path="/webhooks/{name:path}",status="202"}' in text
    )


def test_a_post_is_answered_with_its_request_id_and_without_a_token_with_401(stage: ApiStage):
    answer = stage.user.post("/api/v1/webhooks/hook/one", json={}, headers={"X-Request-ID": "mine-1"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (202, "mine-1")
    forged = stage.user.post("/v1/webhooks/hook/one", json={}, headers={"X-Request-ID": "a b"})
    assert len(forged.headers["X-Request-ID"]) == 24
    refused = stage.nobody.post("/v1/webhooks/hook/one", json={})
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="st_ops"')
    assert 'st_ops_events_rejected_total{source="webhook",status="401"}' in stage.user.get("/metrics").text


def test_other_methods_and_the_list_itself_take_no_events(stage: ApiStage):
    assert stage.user.put("/v1/webhooks/hook/one", json={}).status_code == 405
    assert stage.user.post("/v1/webhooks/", json={}).status_code == 405
    described = stage.user.get("/openapi.json").json()["paths"]
    assert set(described["/webhooks/{name}"]) >= {"post"}
    assert "get" in described["/webhooks"]


def test_a_bug_on_the_way_of_an_event_is_a_500_that_names_its_request(
    stage: ApiStage, monkeypatch: pytest.MonkeyPatch
):
    def broken(*given: object) -> list[object]:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(stage.app.state.webhooks, "_events", broken)
    answer = stage.user.post("/v1/webhooks/hook/one", json={}, headers={"X-Request-ID": "bug-7"})
    assert answer.status_code == 500
    assert "bug-7" in answer.json()["faultstring"]
    assert "no such luck" not in answer.text


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", None])
def test_json_is_read_as_json_whatever_curl_calls_it(stage: ApiStage, kind: str | None):
    headers = {} if kind is None else {"Content-Type": kind}
    for sent, name in (
        (b' {"who": "Ada"}', "hook/one"),
        (b'{"trigger": "demo.thing", "payload": {"size": 1}}', "st2"),
    ):
        answer = stage.user.post(f"/v1/webhooks/{name}", content=sent, headers=headers)
        assert answer.status_code == 202, answer.text
    broken = stage.user.post("/v1/webhooks/hook/one", content=b'{"who"', headers=headers)
    assert (broken.status_code, "not valid JSON" in broken.json()["faultstring"]) == (400, True)


def test_the_payload_of_a_trigger_with_parameters_is_checked_as_its_type_says(stage: ApiStage):
    snapshot = stage.catalog.current()
    (ref,) = webhook_triggers(snapshot)["hook/one"]
    assert ref != "core.st2.webhook"
    assert snapshot.type_of(ref) == snapshot.trigger_types["core.st2.webhook"]
    rule = {
        "name": "sized", "pack": "demo", "enabled": True, "action": {"ref": "core.noop"},
        "trigger": {"type": "demo.thing", "parameters": {"of": "sizes"}},
    }  # fmt: skip
    made = stage.user.post("/v1/rules", json=rule).json()
    sized = trigger_ref_for("demo.thing", {"of": "sizes"})
    wrong = stage.user.post("/v1/webhooks/st2", json={"trigger": sized, "payload": {"size": "big"}})
    assert wrong.status_code == 400
    assert f"'{sized}' (of type 'demo.thing') is not valid: size:" in wrong.json()["faultstring"]
    right = stage.user.post("/v1/webhooks/st2", json={"trigger": sized, "payload": {"size": 1}})
    assert right.status_code == 202
    stage.user.delete(f"/v1/rules/{made['ref']}")


def test_of_a_body_that_makes_several_events_none_is_stored_when_one_is_wrong(stage: ApiStage):
    def stored() -> int:
        return int(stage.user.get("/v1/triggerinstances?limit=1").headers["X-Total-Count"])

    before = stored()
    good, bad = (NewEvent(trigger="demo.thing", payload={"size": size}) for size in (1, "big"))
    with pytest.raises(InvalidInput, match="size"):
        stage.intake.accept_all([good, bad])
    with pytest.raises(NotFound, match=r"demo\.nothing"):
        stage.intake.accept_all([good, NewEvent(trigger="demo.nothing")])
    assert len([future.result(10) for future in stage.intake.accept_all([good, good])]) == 2
    assert stored() == before + 2
