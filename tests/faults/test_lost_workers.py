"""What becomes of running actions when their worker is killed, frozen, or only slow (guarantees 3, 4, 5)."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.faults.dying import FREEZE_AT
from tests.faults.work import PACKS, Ledger, alive, assert_every_move_was_legal
from tests.flow.fixtures import MakePlatform
from tests.flow.platform import Platform
from tests.waiting import eventually

#: One process takes requests and conducts; two run actions.
NODES = ("api", "runner-1", "runner-2")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def platform(make_platform: MakePlatform, shared_store: dict[str, Any]) -> Platform:
    return make_platform(nodes=NODES, packs=[PACKS], settings=shared_store, module="tests.faults.dying")


def test_a_killed_workers_action_is_given_up_or_run_again_as_it_declares(
    platform: Platform, ledger: Ledger, tmp_path: Path
) -> None:
    gate = str(tmp_path / "gate")
    platform.start("api", "runner-1")
    once = platform.run("faults.once", file=str(ledger.path), name="once", until=gate)
    again = platform.run("faults.again", file=str(ledger.path), name="again", until=gate)
    pids = [ledger.await_begin("once"), ledger.await_begin("again")]
    platform.start("runner-2")
    worker = platform.stored(once).worker_id

    platform.kill("runner-1")

    given_up = platform.await_status(once)
    assert given_up["status"] == "abandoned"
    reason = f"worker {worker} was lost while it ran this; whether it took effect is unknown"
    assert given_up["result"]["error"].startswith(reason)
    eventually(lambda: not any(alive(pid) for pid in pids), 10, "the killed worker's actions to be gone")
    ledger.await_begin("again", times=2)
    Path(gate).touch()
    assert platform.await_status(again)["status"] == "succeeded"
    assert (ledger.began()["once"], ledger.ended()["once"], ledger.ended()["again"]) == (1, 0, 1)
    # A person who knows better runs it again.
    rerun = platform.post(f"/executions/{once}/re_run", {})["id"]
    assert platform.await_status(rerun)["status"] == "succeeded"
    assert ledger.ended()["once"] == 1
    assert_every_move_was_legal(platform)


def test_what_a_frozen_worker_reports_after_its_lease_lapsed_is_refused_and_audited(
    platform: Platform, ledger: Ledger, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    platform.start("api", "runner-1")
    again = platform.run("faults.again", file=str(ledger.path), name="again", until=str(first))
    once = platform.run("faults.once", file=str(ledger.path), name="once", until=str(first))
    ledger.await_begin("again")
    ledger.await_begin("once")
    old = platform.stored(again).worker_id
    platform.start("runner-2")

    platform.processes["runner-1"].signal(signal.SIGSTOP)
    ledger.await_begin("again", times=2)
    assert platform.stored(again).worker_id != old
    first.touch()
    ended = platform.await_status(again)
    assert ended["status"] == "succeeded"
    assert platform.await_status(once)["status"] == "abandoned"
    assert eventually(lambda: ledger.ended()["once"] == 1, 10, "the frozen worker's action to end")
    platform.processes["runner-1"].signal(signal.SIGCONT)

    for execution in (again, once):
        look = partial(platform.audit, subject_id=execution, verb="refused")
        refused = platform.eventually(look, 15, "the late report to be refused")
        assert refused[0]["actor"] == f"worker {old}"
        assert refused[0]["reason"].startswith("Token 1 is no longer valid; the present one is ")
    assert platform.execution(again) == ended
    assert platform.execution(once)["status"] == "abandoned"
    # It is one of the living again, under a new name.
    second.touch()
    platform.kill("runner-2")
    after = platform.run("faults.once", file=str(ledger.path), name="after", until=str(second))
    assert platform.await_status(after)["status"] == "succeeded"
    assert platform.stored(after).worker_id != old
    assert_every_move_was_legal(platform)


def test_a_worker_frozen_between_claim_and_start_does_not_run_what_was_taken_from_it(
    platform: Platform, ledger: Ledger
) -> None:
    platform.start("api")
    platform.start("runner-1", more={FREEZE_AT: "after running faults.again"})
    again = platform.run("faults.again", file=str(ledger.path), name="again")
    platform.await_status(again, "running")
    platform.start("runner-2")
    assert platform.await_status(again)["status"] == "succeeded"
    assert ledger.began() == {"again": 1}

    platform.processes["runner-1"].signal(signal.SIGCONT)

    eventually(lambda: platform.processes["runner-1"].said("Not run"), 10, "the worker to let it be")
    assert ledger.began() == {"again": 1}
    assert_every_move_was_legal(platform)
