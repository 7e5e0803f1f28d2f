"""What built-in webhook sources make of a body."""

from __future__ import annotations

import orjson
import pytest

from st_ops.errors import InvalidInput
from st_ops.intake.sources import SOURCES

ALERT = {
    "status": "firing",
    "startsAt": "2026-01-31T12:00:00Z",
    "labels": {"a": "1", "b": "2"},
    "fingerprint": "f",
}


def _parse(*alerts: object):
    return SOURCES["alertmanager"].parse({}, orjson.dumps({"alerts": list(alerts), "receiver": "r"}))


def test_the_three_identities_of_an_alert_are_told_apart():
    firing, resolved, later = _parse(
        ALERT, {**ALERT, "status": "resolved"}, {**ALERT, "startsAt": "2026-02-01T00:00:00Z"}
    )
    assert firing.series == resolved.series == later.series == "f"
    assert firing.episode == resolved.episode != later.episode
    assert len({firing.delivery, resolved.delivery, later.delivery}) == 3
    assert firing.payload["episode"] == firing.episode


def test_an_alert_without_a_fingerprint_is_known_by_its_labels():
    bare = {key: value for key, value in ALERT.items() if key != "fingerprint"}
    one, same, other = _parse(bare, {**bare, "labels": {"b": "2", "a": "1"}}, {**bare, "labels": {"a": "9"}})
    assert one.series == same.series != other.series
    assert one.payload["fingerprint"] == one.series


def test_absent_parts_are_empty_and_not_missing():
    (event,) = _parse({"status": "firing", "startsAt": "2026-01-31T12:00:00Z"})
    for key in ("labels", "annotations", "group_labels", "common_labels", "common_annotations"):
        assert event.payload[key] == {}
    for key in ("ends_at", "generator_url", "group_key", "external_url"):
        assert event.payload[key] == ""
    assert event.payload["receiver"] == "r"


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b"{", "body"),
        (b"3", "body"),
        (b"{}", "alerts"),
        (b'{"alerts": [1]}', "alerts[0]"),
        (b'{"alerts": [{"status": "firing", "startsAt": "x", "labels": []}]}', "alerts[0].labels"),
        (b'{"alerts": [{"status": "firing", "startsAt": ""}]}', "alerts[0].startsAt"),
        (b'{"alerts": [{"startsAt": "x"}]}', "alerts[0].status"),
        (b'{"alerts": [{"status": "firing", "startsAt": "x"}], "groupLabels": 1}', "groupLabels"),
    ],
)
def test_a_body_of_another_form_is_refused_naming_the_key(raw: bytes, where: str):
    with pytest.raises(InvalidInput) as refused:
        SOURCES["alertmanager"].parse({}, raw)
    assert refused.value.where == where
