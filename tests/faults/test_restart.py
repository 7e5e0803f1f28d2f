"""Starting again on one host: at once after a kill, and never twice at the same time."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.work import PACKS, Ledger, alive
from tests.flow.fixtures import MakePlatform
from tests.flow.platform import Platform
from tests.servers.process import clean_environment
from tests.waiting import eventually

#: Seconds; what waits for such a lease to lapse waits too long for this test.
_LONG = 600.0

_ST_OPS = "import sys; from st_ops.cli.main import main; sys.exit(main())"


@pytest.fixture
def platform(make_platform: MakePlatform, tmp_path: Path) -> Platform:
    (tmp_path / "watched").mkdir()
    return make_platform(
        packs=[PACKS],
        settings={
            "worker": {"lease_seconds": _LONG, "heartbeat_seconds": 5.0, "drain_seconds": 1.0},
            "sensors": {"enabled": True, "lease_seconds": _LONG},
        },
    )


def test_after_a_kill_everything_goes_on_at_once_however_long_the_leases(
    platform: Platform, tmp_path: Path
) -> None:
    ledger, gate = Ledger(tmp_path / "ledger"), tmp_path / "gate"
    platform.start()
    once = platform.run("faults.once", file=str(ledger.path), name="once", until=str(gate))
    again = platform.run("faults.again", file=str(ledger.path), name="again", until=str(gate))
    steps = platform.run("faults.two_steps", file=str(ledger.path), name="steps", until=str(gate))
    pids = [ledger.await_begin(name) for name in ("once", "again", "steps/first")]
    shipped = {"aws.sqs", "linux.file_watch", "monitoring.http_check"}
    eventually(lambda: running_sensors(platform).keys() >= shipped, 20, "sensors to run")
    sensors = running_sensors(platform)

    platform.restart()

    gone = [*pids, *sensors.values()]
    eventually(lambda: not any(alive(pid) for pid in gone), 5, "what the killed platform ran to be gone")
    assert platform.await_status(once, deadline=5)["status"] == "abandoned"
    gate.touch()
    assert platform.await_status(again, deadline=5)["status"] == "succeeded"
    assert platform.await_status(steps, deadline=10)["status"] == "succeeded"
    payload = {"file": str(ledger.path), "name": "event", "kind": "once"}
    event = platform.post("/webhooks/st2", {"trigger": "faults.happened", "payload": payload})["id"]
    assert platform.await_status(platform.await_execution_of(event, 5)["id"])["status"] == "succeeded"
    eventually(lambda: running_sensors(platform).keys() >= shipped, 10, "the sensors to run again")


def running_sensors(platform: Platform) -> dict[str, int]:
    """Sensor → process, of those that the present process of the platform says it runs."""
    said = re.findall(r"The sensor runs\. sensor=(\S+) pid=(\d+)", platform.processes["up"].printed())
    return {sensor: int(pid) for sensor, pid in said}


def test_a_second_up_on_a_live_home_says_so_and_exits_1(platform: Platform) -> None:
    platform.start()
    second = subprocess.run(
        [sys.executable, "-c", _ST_OPS, "up", "--home", str(platform.home), "--port", "0"],
        cwd=Path(__file__).parents[2], env=clean_environment(platform.home), capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    assert second.returncode == 1
    pid = platform.processes["up"].pid
    sentence = f"A platform is running on {platform.home} already: process {pid}, {platform.url}."
    assert sentence in " ".join(second.stderr.split())
    assert "Traceback" not in second.stderr
    # The first one is unharmed, and found where it was.
    assert platform.server() == {
        "url": platform.url, "pid": pid, "token_file": str(platform.home / "admin.token"),
    }  # fmt: skip
    assert platform.http.get("/status").status_code == 200
    platform.stop()
    assert not (platform.home / "server.json").exists()
