"""The broker or the database is away for a while: callers are told, work goes on or waits, nothing is lost."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.work import PACKS, Ledger, assert_every_move_was_legal
from tests.flow.fixtures import MakePlatform
from tests.flow.platform import Platform
from tests.servers.postgres import Postgres
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.redis import Redis
from tests.waiting import eventually


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def post_work(platform: Platform, ledger: Ledger, name: str, kind: str = "once") -> httpx.Response:
    """Post an event that wants one piece of work."""
    payload = {"file": str(ledger.path), "name": name, "kind": kind}
    body = {"trigger": "faults.happened", "payload": payload}
    return platform.http.post("/webhooks/st2", json=body, headers={"Idempotency-Key": name})


def await_health(platform: Platform, code: int) -> dict[str, Any]:
    """What /health/ready says, once it answers with this code."""

    def look() -> dict[str, Any] | None:
        answer = platform.http.get("/health/ready")
        return answer.json() if answer.status_code == code else None

    return dict(platform.eventually(look, 30, f"/health/ready to answer {code}"))


@pytest.mark.parametrize("broker_name", ["redis_server", pytest.param("rabbitmq", marks=pytest.mark.slow)])
def test_without_a_broker_events_are_accepted_and_acted_on_and_afterwards_bells_ring_again(
    broker_name: str, make_platform: MakePlatform, ledger: Ledger, request: pytest.FixtureRequest
) -> None:
    broker: Redis | RabbitMQ = request.getfixturevalue(broker_name)
    # A sweep so rare that only a bell makes things quick.
    platform = make_platform(
        nodes=("api", "rules,workflows", "runner"),
        packs=[PACKS],
        settings={"bus": {"url": broker.url, "sweep_seconds": 1.0}},
    )
    platform.start()
    assert post_work(platform, ledger, "before").status_code == 202
    ledger.await_begin("before")

    broker.stop(kill=True)
    try:
        not_ready = await_health(platform, 503)
        assert not_ready["dependencies"]["store"] == "ok"
        assert "bus is not available" in not_ready["faultstring"]
        assert post_work(platform, ledger, "without", "two_steps").status_code == 202
        eventually(lambda: ledger.ended()["without/second"] == 1, 30, "the sweeps to carry it through")
    finally:
        broker.start()

    await_health(platform, 200)

    def quick() -> bool:
        name = f"after-{time.monotonic_ns()}"
        began = time.monotonic()
        assert post_work(platform, ledger, name).status_code == 202
        ledger.await_begin(name)
        return time.monotonic() - began < 0.4

    eventually(quick, 30, "bells to be heard by all again")
    assert set(ledger.began().values()) == {1}
    assert_every_move_was_legal(platform)


def test_without_the_database_callers_are_told_and_what_was_accepted_or_running_is_kept(
    make_platform: MakePlatform, postgres: Postgres, postgres_url: str, ledger: Ledger, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    lease = 2.0
    platform = make_platform(
        packs=[PACKS],
        settings={
            "store": {"url": postgres_url},
            "worker": {"lease_seconds": lease, "heartbeat_seconds": 0.5, "drain_seconds": 1.0},
        },
    )
    platform.start()
    # Neither may be done again: an outage of the store is no reason to give up living workers' runs.
    ends_meanwhile = platform.run("faults.once", file=str(ledger.path), name="meanwhile", until=str(gate))
    ends_later = platform.run(
        "faults.once", file=str(ledger.path), name="later", until=str(tmp_path / "last")
    )
    ledger.await_begin("meanwhile")
    ledger.await_begin("later")
    accepted = [f"event-{number}" for number in range(20)]
    assert [post_work(platform, ledger, name).status_code for name in accepted] == [202] * len(accepted)

    postgres.stop(kill=True)
    try:
        away_since = time.monotonic()
        answer = post_work(platform, ledger, "refused")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["faultstring"].startswith("The store is not available")
        assert platform.http.get("/executions").status_code == 503
        not_ready = await_health(platform, 503)
        assert not_ready["dependencies"]["bus"] == "ok"
        assert not_ready["dependencies"]["store"].startswith("The store is not available")
        gate.touch()
        eventually(lambda: ledger.ended()["meanwhile"] == 1, 10, "the action to end")
        eventually(lambda: time.monotonic() > away_since + 2 * lease, 10, "every lease to lapse")
    finally:
        postgres.start()

    await_health(platform, 200)
    assert post_work(platform, ledger, "refused").status_code == 202
    expected = Counter([*accepted, "refused", "meanwhile"])
    eventually(lambda: ledger.ended() == expected, 30, "everything accepted to be done")
    assert platform.await_status(ends_meanwhile)["status"] == "succeeded"
    (tmp_path / "last").touch()
    assert platform.await_status(ends_later)["status"] == "succeeded"
    assert ledger.began() == ledger.ended()
    assert_every_move_was_legal(platform)
