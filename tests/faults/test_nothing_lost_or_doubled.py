"""Events while processes are SIGKILLed: none accepted is lost, none is acted on twice (guarantees 1, 2, 8, 11)."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from st_ops.store import audit, events, workers
from tests.faults.work import PACKS, Ledger, assert_every_move_was_legal
from tests.flow.alerts import notification
from tests.flow.fixtures import MakePlatform
from tests.flow.platform import Platform
from tests.waiting import eventually

#: Every engine twice, in two processes; the second one may be started anew at any moment.
NODES = ("up", "rules,workflows,runner-2")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def platform(make_platform: MakePlatform, shared_store: dict[str, Any]) -> Platform:
    return make_platform(nodes=NODES, packs=[PACKS], settings=shared_store)


class Sender:
    """A monitoring system: it posts an event again, as the same delivery, until it is answered with 202."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._lock = threading.Lock()
        #: Delivery → the id it was answered with, in the order of the answers.
        self.answered: dict[str, str] = {}

    def send(self, path: str, body: dict[str, Any], delivery: str) -> None:
        """Post until it is accepted."""
        headers = {"Idempotency-Key": delivery, "X-Auth-Token": self._platform.http.headers["X-Auth-Token"]}

        def post() -> str:
            try:
                answer = self._platform.http.post(path, json=body, headers=headers)
            except httpx.TransportError:
                return ""
            return str(answer.json()["id"]) if answer.status_code == 202 else ""

        identifier = eventually(post, 60, f"{delivery} to be accepted")
        with self._lock:
            self.answered[delivery] = identifier

    def happened(self, ledger: Ledger, kind: str, name: str) -> None:
        """Post an event of the pack ``faults``."""
        payload = {"file": str(ledger.path), "name": name, "kind": kind}
        self.send("/webhooks/st2", {"trigger": "faults.happened", "payload": payload}, name)

    def count(self) -> int:
        """How many were answered."""
        return len(self.answered)

    def await_count(self, goal: int) -> None:
        """Wait until so many were answered."""
        eventually(lambda: self.count() >= goal, 60, f"{goal} answers")


def kill_at_random(platform: Platform, sender: Sender, dice: random.Random, rounds: int, most: int) -> None:
    """Again and again let some of ``most`` events be answered, kill one of the processes and start it anew."""
    for _round in range(rounds):
        goal = min(sender.count() + dice.randint(1, most // rounds), most)
        sender.await_count(goal)
        victim = dice.choice(list(platform.processes))
        platform.restart(victim)


def await_quiet(platform: Platform) -> None:
    """Wait until no event waits for its rules and nothing runs."""

    def quiet() -> bool:
        waiting = "requested,scheduled,delayed,running,pending,pausing,paused,resuming,canceling"
        with platform.store() as tx:
            pending = events.count_pending(tx)
        return pending == 0 and not platform.get("/executions", status=waiting, limit=1)

    platform.eventually(quiet, 60, "all work to be done")


@pytest.mark.slow
def test_every_accepted_event_is_acted_on_once_while_processes_are_killed(
    platform: Platform, ledger: Ledger
) -> None:
    dice = random.Random(20260701)
    platform.start()
    sender = Sender(platform)
    work = [(kind, f"{kind}-{number}") for number in range(40) for kind in ("once", "two_steps")]
    with ThreadPoolExecutor(4) as senders:
        sending = [senders.submit(sender.happened, ledger, kind, name) for kind, name in work]
        kill_at_random(platform, sender, dice, rounds=5, most=len(work))
        for future in sending:
            future.result()
    await_quiet(platform)

    assert len(set(sender.answered.values())) == len(work)
    began, ended = ledger.began(), ledger.ended()
    for kind, name in work:
        found = platform.get("/executions", trigger_instance=sender.answered[name], parent="null")
        assert len(found) == 1, name
        status = found[0]["status"]
        if kind == "two_steps":
            assert status == "succeeded", found
            assert ended[f"{name}/first"] >= 1 <= ended[f"{name}/second"]
        elif status == "abandoned":
            assert ended[name] <= began[name] <= 1
        else:
            assert (status, began[name], ended[name]) == ("succeeded", 1, 1)
    # Only what a killed worker ran was begun again, and each time that is in the audit log.
    again = sum(count - 1 for name, count in began.items())
    with platform.store() as tx:
        requested_again = [
            entry
            for entry in audit.find(tx, verb="requested", actor="reaper", limit=10_000)
            if entry.ref == "faults.again"
        ]
    assert again <= len(requested_again)
    assert_every_move_was_legal(platform)


@pytest.mark.slow
def test_events_of_one_series_are_matched_in_order_by_two_engines_of_which_one_is_killed(
    make_platform: MakePlatform, shared_store: dict[str, Any]
) -> None:
    platform = make_platform(
        nodes=("api,workflows,runner", "rules-1", "rules-2"), packs=[PACKS], settings=shared_store
    )
    platform.start()
    sender = Sender(platform)
    series = ["north", "east", "south", "west"]

    def send_all(service: str) -> None:
        for number in range(30):
            body = notification("firing", service=service, starts_at=f"2026-07-01T10:00:{number:02}.000Z")
            body["alerts"][0]["labels"] = {"alertname": "Ordered", "service": service}
            sender.send("/webhooks/alertmanager", body, f"{service}-{number:02}")

    with ThreadPoolExecutor(len(series)) as senders:
        sending = [senders.submit(send_all, service) for service in series]
        for goal, victim in ((20, "rules-1"), (60, "rules-2")):
            sender.await_count(goal)
            platform.restart(victim)
        for future in sending:
            future.result()
    await_quiet(platform)

    with platform.store() as tx:
        matched = audit.find(tx, verb="matched", limit=10_000, newest_first=False)
    order = [entry.detail["trigger_instance_id"] for entry in matched]
    assert Counter(order) == Counter(sender.answered.values())
    place = {identifier: index for index, identifier in enumerate(order)}
    for service in series:
        deliveries = sorted(name for name in sender.answered if name.startswith(service))
        places = [place[sender.answered[name]] for name in deliveries]
        assert places == sorted(places), service
    with platform.store() as tx:
        engines = {entry.id for entry in workers.find(tx, "rules")}
    assert len(engines) == 2


def test_an_answered_event_survives_a_kill_at_that_very_moment(
    make_platform: MakePlatform, shared_store: dict[str, Any], ledger: Ledger
) -> None:
    platform = make_platform(nodes=("api", "rules,workflows,runner"), packs=[PACKS], settings=shared_store)
    platform.start()
    sender = Sender(platform)
    killed = threading.Event()

    def send(number: int) -> None:
        sender.happened(ledger, "once", f"event-{number}")
        if number == 25:
            # The very first thing after an answer, while others share commits.
            platform.kill("api")
            killed.set()

    with ThreadPoolExecutor(8) as senders:
        sending = [senders.submit(send, number) for number in range(50)]
        assert killed.wait(60)
        before = dict(sender.answered)
        platform.start("api")
        for future in sending:
            future.result()
    await_quiet(platform)
    with platform.store() as tx:
        stored = events.get_many(tx, list(before.values()))
    assert len(stored) == len(before) >= 1
    assert ledger.began() == ledger.ended() == Counter({f"event-{number}": 1 for number in range(50)})
