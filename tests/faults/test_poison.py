"""Input that the store or an engine chokes on: its sender is told, and it holds up nothing else."""

from __future__ import annotations

import json

import pytest

from tests.flow.alerts import notification
from tests.flow.fixtures import MakePlatform
from tests.flow.platform import Platform

#: PostgreSQL takes no such text.
_NUL = "a\0b"


@pytest.fixture
def platform(make_platform: MakePlatform, postgres_url: str) -> Platform:
    platform = make_platform(settings={"store": {"url": postgres_url}})
    platform.start()
    return platform


def test_what_the_store_cannot_keep_is_refused_with_a_sentence(platform: Platform) -> None:
    body = notification("firing")
    body["alerts"][0]["fingerprint"] = _NUL
    answer = platform.http.post("/webhooks/alertmanager", content=json.dumps(body))
    assert answer.status_code == 400
    assert answer.json()["faultstring"].startswith("The store cannot keep this: ")
    assert "NUL" in platform.get("/rejectedevents", limit=1)[0]["reason"]
    asked = platform.http.post("/executions", json={"action": "core.noop", "run_key": _NUL})
    assert asked.status_code == 400


def test_an_event_that_cannot_be_matched_holds_up_no_other(platform: Platform) -> None:
    platform.post("/rules", {
        "name": "once_a_key", "pack": "default", "enabled": True, "run_key": "{{ trigger.body.key }}",
        "trigger": {"type": "core.st2.webhook", "parameters": {"url": "keys"}}, "action": {"ref": "core.noop"},
    })  # fmt: skip
    ids = [platform.post("/webhooks/keys", {"key": key})["id"] for key in ("one", _NUL, "two")]
    for index in (0, 2):
        assert platform.await_status(platform.await_execution_of(ids[index])["id"])["status"] == "succeeded"
    spoiled = platform.eventually(
        lambda: (found := platform.get(f"/triggerinstances/{ids[1]}"))["status"] != "pending" and found,
        10, "the spoiled event to be given up",
    )  # fmt: skip
    assert spoiled["status"] == "processing_failed"
    (entry,) = platform.audit(verb="match_failed", trace_id=ids[1])
    assert entry["reason"].startswith(
        "The event cannot be matched: InvalidInput: The store cannot keep this: "
    )
