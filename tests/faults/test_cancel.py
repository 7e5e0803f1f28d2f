"""Cancel kills the whole process group of a running action within 5 seconds, on any node (guarantee 9)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from st_ops.settings import BusSettings, WorkerSettings
from tests.faults.work import PACKS, alive, assert_every_move_was_legal
from tests.flow.fixtures import MakePlatform
from tests.flow.platform import Platform
from tests.servers.redis import Redis
from tests.waiting import eventually

#: Seconds.
_LIMIT = 5.0

#: This promise is about the settings as they are shipped.
_SHIPPED = {
    "worker": WorkerSettings().model_dump(include={"lease_seconds", "heartbeat_seconds", "grace_seconds"}),
    "bus": BusSettings().model_dump(include={"sweep_seconds"}),
}


@pytest.fixture
def platform(make_platform: MakePlatform, redis_url: str) -> Platform:
    settings = {**_SHIPPED, "bus": {**_SHIPPED["bus"], "url": redis_url}}
    return make_platform(nodes=("api,workflows", "runner"), packs=[PACKS], settings=settings)


def started(tmp_path: Path) -> list[int]:
    """The processes of ``faults.stubborn``, once all three run: one of them in a session of its own."""
    file = tmp_path / "pids"
    eventually(
        lambda: file.exists() and len(file.read_text().split()) == 3, 20, "the action's processes to run"
    )
    pids = [int(pid) for pid in file.read_text().split()]
    assert all(alive(pid) for pid in pids)
    return pids


def cancel(platform: Platform, execution: str, pids: list[int]) -> dict[str, Any]:
    """Cancel, and see the processes end in time."""
    began = time.monotonic()
    platform.http.delete(f"/executions/{execution}").raise_for_status()
    eventually(lambda: not any(alive(pid) for pid in pids), 20, "all of the action's processes to be gone")
    assert time.monotonic() - began < _LIMIT
    return platform.await_status(execution)


def test_an_action_on_another_node_is_killed_though_it_is_deaf_to_sigterm(
    platform: Platform, tmp_path: Path
) -> None:
    platform.start()
    execution = platform.run("faults.stubborn", file=str(tmp_path / "pids"))
    ended = cancel(platform, execution, started(tmp_path))
    assert ended["status"] == "canceled"
    reasons = [entry["reason"] for entry in platform.audit(subject_id=execution, verb="canceling")]
    assert reasons == ["canceled by admin"]
    assert_every_move_was_legal(platform)


def test_canceling_a_workflow_kills_what_its_tasks_run(platform: Platform, tmp_path: Path) -> None:
    platform.start()
    workflow = platform.run("faults.stubborn_step", file=str(tmp_path / "pids"))
    assert cancel(platform, workflow, started(tmp_path))["status"] == "canceled"
    assert [child["status"] for child in platform.children(workflow)] == ["canceled"]
    assert_every_move_was_legal(platform)


def test_an_action_is_killed_in_time_though_no_bell_rings(
    platform: Platform, redis_server: Redis, tmp_path: Path
) -> None:
    platform.start()
    execution = platform.run("faults.stubborn", file=str(tmp_path / "pids"))
    pids = started(tmp_path)
    redis_server.stop(kill=True)
    try:
        assert cancel(platform, execution, pids)["status"] == "canceled"
    finally:
        redis_server.start()
