from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from st_ops.sdk import ActionFailed
from st_ops.sdk.testing import FakePlatform, context, run_action
from tests.packs.http_endpoint import Endpoint, endpoint
from tests.packs.pack_files import pack_file
from tests.waiting import eventually

#: Nothing listens here.
CLOSED = "http://127.0.0.1:1/"


@pytest.fixture
def shop() -> Iterator[Endpoint]:
    with endpoint() as running:
        yield running


def check(**parameters: Any):
    return run_action(pack_file("monitoring", "actions/http_check.py").http_check, **parameters)


def test_an_endpoint_that_answers_is_up_with_its_latency(shop: Endpoint):
    result = check(url=shop.url).result

    assert (result["up"], result["status_code"], result["tries"]) == (True, 200, 1)
    assert 0 < result["latency_ms"] < 5000


def test_another_status_than_expected_is_named(shop: Endpoint):
    shop.answer(503)

    result = check(url=shop.url)

    assert not result.ok
    assert result.result["reason"] == "Answered 503, expected 2xx or 3xx."


def test_a_status_that_is_expected_is_up_whatever_it_is(shop: Endpoint):
    shop.answer(404)

    assert check(url=shop.url, expect_status=[404]).ok


def test_an_answer_without_the_expected_text_is_not_up(shop: Endpoint):
    shop.answer(200, "maintenance")

    assert (
        check(url=shop.url, contains="welcome").result["reason"] == "The answer does not contain 'welcome'."
    )
    assert check(url=shop.url, contains="maint").ok


def test_it_tries_again_until_the_endpoint_is_up(shop: Endpoint):
    shop.answers[:] = [(503, {}, ""), (503, {}, ""), (200, {}, "ok")]

    assert check(url=shop.url, within=10, every=0.01).result["tries"] == 3


def test_an_endpoint_that_cannot_be_reached_fails_with_a_sentence():
    action = pack_file("monitoring", "actions/http_check.py").http_check

    with pytest.raises(ActionFailed, match=r"http://127.0.0.1:1/ could not be reached: "):
        action(context(), CLOSED)


class Sensor:
    """The sensor's decisions about one endpoint, with the platform's key-values outliving each of them."""

    def __init__(self, url: str, failures: int = 2) -> None:
        self.platform = FakePlatform()
        self.endpoint = {"name": "shop", "url": url, "failures": failures}
        self.module = pack_file("monitoring", "lib/endpoint_watch.py")
        self.probe = pack_file("monitoring", "lib/http_probe.py").probe

    def check(self) -> list[str]:
        """One check; what was emitted so far."""
        ctx = context(self.platform, pack="monitoring", name="monitoring.http_check")
        self.module.take(ctx, self.endpoint, self.probe(**self.endpoint))
        return [event.trigger.partition(".")[2] for event in self.platform.emitted]


def test_down_is_told_once_after_so_many_failures_in_a_row_and_up_once(shop: Endpoint):
    sensor = Sensor(shop.url)
    assert sensor.check() == []
    shop.answer(500)
    assert sensor.check() == []
    assert sensor.check() == ["endpoint_down"]
    assert sensor.check() == ["endpoint_down"]
    shop.answer(200)
    assert sensor.check() == ["endpoint_down", "endpoint_up"]
    assert sensor.check() == ["endpoint_down", "endpoint_up"]


def test_failures_that_are_not_in_a_row_do_not_count(shop: Endpoint):
    sensor = Sensor(shop.url)
    for status in (500, 200, 500, 200):
        shop.answer(status)
        assert sensor.check() == []


def test_down_and_up_of_one_outage_share_series_and_episode(shop: Endpoint):
    sensor = Sensor(shop.url, failures=1)
    shop.answer(500)
    sensor.check()
    shop.answer(200)
    sensor.check()

    down, up = sensor.platform.emitted
    assert (down.series, down.episode) == (up.series, up.episode)
    assert down.delivery != up.delivery
    assert down.payload["reason"] == "Answered 500, expected 2xx or 3xx."
    assert up.payload["latency_ms"] > 0


def test_an_event_lost_in_a_crash_is_emitted_again_as_the_same_delivery(
    shop: Endpoint, monkeypatch: pytest.MonkeyPatch
):
    sensor = Sensor(shop.url, failures=1)
    shop.answer(500)
    emit = sensor.platform._emit

    def crash_after(**arguments: Any) -> str:
        emit(**arguments)
        raise ConnectionError

    monkeypatch.setattr(sensor.platform, "_emit", crash_after)
    with pytest.raises(ConnectionError):
        sensor.check()
    monkeypatch.setattr(sensor.platform, "_emit", emit)
    sensor.check()

    first, again = sensor.platform.emitted
    assert first.delivery == again.delivery


def test_the_sensor_polls_every_endpoint_of_the_config_until_it_is_stopped(shop: Endpoint):
    stopping = threading.Event()
    platform = FakePlatform()
    endpoints = [
        {"name": "shop", "url": shop.url, "interval": 0.02, "failures": 1},
        {"name": "closed", "url": CLOSED, "interval": 0.02, "failures": 2},
    ]
    ctx = context(platform, pack="monitoring", config={"endpoints": endpoints}, stopping=stopping)
    thread = threading.Thread(target=pack_file("monitoring", "sensors/http_check.py").http_check, args=(ctx,))
    thread.start()

    eventually(lambda: len(shop.asked) >= 3 and platform.emitted)
    stopping.set()
    thread.join(10)

    assert not thread.is_alive()
    assert [event.payload["name"] for event in platform.emitted] == ["closed"]
