from __future__ import annotations

import json
from typing import Any

import pytest

from st_ops.demo.alert import Alert
from st_ops.expressions.parameter_schema import validate_payload
from st_ops.intake.sources import AlertmanagerSource
from st_ops.model.resources import TriggerType
from st_ops.packs.loader import load_pack
from tests.packs.pack_files import PACKS
from tests.packs.rule_asking import matches, shipped_rule


def event(body: dict[str, Any]) -> dict[str, Any]:
    """The payload that intake makes of an Alertmanager notification."""
    (made,) = AlertmanagerSource().parse({}, json.dumps(body).encode())
    return dict(made.payload)


def test_an_alertmanager_event_fits_the_trigger_type_of_the_monitoring_pack():
    kind = load_pack(PACKS / "monitoring").find("trigger_type", "alertmanager")
    assert isinstance(kind, TriggerType)

    validate_payload(kind.payload_schema, event(Alert().firing()))
    validate_payload(kind.payload_schema, event(Alert().resolved()))
    assert set(event(Alert().firing())) == set(kind.payload_schema["properties"])


def test_a_firing_alert_scales_out_and_the_resolved_one_scales_in():
    out = shipped_rule("web_service", "scale_out_on_overload")
    into = shipped_rule("web_service", "scale_in_on_recovery")
    alert = Alert()

    assert (matches(out, event(alert.firing())), matches(into, event(alert.firing()))) == (True, False)
    assert (matches(out, event(alert.resolved())), matches(into, event(alert.resolved()))) == (False, True)


def test_both_alerts_name_the_same_episode_so_that_scale_in_finds_the_machine():
    alert = Alert()

    assert event(alert.firing())["episode"] == event(alert.resolved())["episode"]


@pytest.mark.parametrize(
    "labels",
    [
        {"alertname": "DiskFull", "service": "shop"},
        {"alertname": "ServiceOverloaded"},
        {"alertname": "ServiceOverloaded", "service": "shop; rm -rf /"},
        {"alertname": "ServiceOverloaded", "service": "shop\n"},
    ],
)
def test_an_alert_that_names_no_proper_service_does_nothing(labels: dict[str, str]):
    body = Alert().firing()
    body["alerts"][0]["labels"] = labels

    assert not matches(shipped_rule("web_service", "scale_out_on_overload"), event(body))
