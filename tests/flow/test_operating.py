"""Operating a platform of several processes: who works on what, what waits for whom, draining, figures, sensors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.flow.fixtures import MakePlatform
from tests.flow.platform import Platform
from tests.servers.process import free_port

_FILES: Mapping[str, str] = {
    "pack.yaml": "name: night\ndescription: Jobs.\nversion: 1.0.0\nauthor: tests\n",
    "actions/load.yaml": """\
        name: load
        runner_type: local-shell-cmd
        parameters:
          cmd: {default: "test -e {{ mark }}"}
          mark: {type: string, default: /dev/null}
    """,
    "actions/report.yaml": """\
        name: report
        runner_type: local-shell-cmd
        require: {action: night.load}
        parameters:
          cmd: {default: "echo done"}
    """,
    "actions/far.yaml": """\
        name: far
        runner_type: noop
        queue: dmz
        needs: [region=tokyo]
    """,
    "sensors/tick.yaml": """\
        class_name: tick
        entry_point: tick.py
        trigger_types: [{name: ticked}]
    """,
    "sensors/tick.py": """\
        from st_ops.sdk import sensor


        @sensor
        def tick(ctx):
            ctx.emit("ticked", {})
            ctx.wait(1000)
    """,
}


@pytest.fixture
def platform(
    make_platform: MakePlatform, shared_store: dict[str, dict[str, Any]], tmp_path: Path
) -> Platform:
    """Processes on one store and bus: the API, the engines and the sensors run; two runners can be started."""
    for name, text in _FILES.items():
        path = tmp_path / "packs" / "night" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    settings = {**shared_store, "sensors": {"enabled": True, "lease_seconds": 5.0}}
    nodes = ("api", "rules,workflows", "runner-1", "runner-2", "sensors")
    platform = make_platform(packs=[tmp_path / "packs"], nodes=nodes, settings=settings)
    platform.start("api", "rules,workflows", "sensors")
    return platform


def _st_ops(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from st_ops.cli.main import main; main()", *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ST_OPS_")}
    return subprocess.run(
        [*command, "--home", str(platform.home)],
        capture_output=True, text=True, check=False, timeout=60, env={**environment, "COLUMNS": "200"},
    )  # fmt: skip


def test_work_goes_where_it_fits_and_a_worker_can_be_drained(platform: Platform) -> None:
    far = platform.run("night.far")

    def shown() -> bool:
        said = _st_ops(platform, "status").stdout
        assert "1 waiting in queue 'dmz'" in said
        assert "no worker that offers region=tokyo takes from it" in said
        assert "st-ops serve runner --queue dmz --label region=tokyo" in said
        return True

    platform.eventually(shown, 20, "the status to show what no worker takes")
    port = free_port()
    offers = {
        "ST_OPS_WORKER__QUEUES": '["default", "dmz"]',
        "ST_OPS_WORKER__LABELS": '["region=tokyo"]',
        "ST_OPS_METRICS__PORT": str(port),
    }
    platform.start("runner-1", more=offers)
    assert platform.await_status(far)["status"] == "succeeded"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        figures = answer.read().decode()
    assert 'st_ops_executions_finished_total{action="night.far",status="succeeded"} 1.0' in figures
    assert 'st_ops_workers{kind="runner"} 1.0' in figures

    long = platform.run("core.local", cmd="sleep 3; echo over")
    platform.await_status(long, "running")
    (worker,) = [row for row in platform.get("/workers") if row["kind"] == "runner"]
    assert [entry["action_ref"] for entry in worker["executions"]] == ["core.local"]
    assert "core.local" in _st_ops(platform, "worker", "list").stdout
    assert long in _st_ops(platform, "worker", "get", worker["id"]).stdout
    assert _st_ops(platform, "worker", "drain", worker["id"]).returncode == 0
    platform.eventually(lambda: _row(platform, worker["id"])["draining"], 10, "the worker to drain")
    assert platform.await_status(long)["status"] == "succeeded"
    platform.start("runner-2")
    other = platform.run("core.noop")
    assert platform.await_status(other)["status"] == "succeeded"
    assert platform.execution(other)["worker"] != worker["id"]
    assert [line["actor"] for line in platform.audit(subject_id=worker["id"], verb="draining")] == ["admin"]


def _row(platform: Platform, worker_id: str) -> dict[str, Any]:
    return dict(platform.get(f"/workers/{worker_id}"))


def test_jobs_of_a_night_are_asked_for_by_key_from_several_systems(
    platform: Platform, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    platform.start("runner-1", "runner-2")
    keyed = ("--run-key", "2026-01-31")
    waits = _st_ops(platform, "run", "night.report", *keyed, "--async").stdout.strip()

    def ask(_: int) -> tuple[str, int]:
        body = {"action": "night.load", "parameters": {"mark": str(mark)}, "run_key": keyed[1]}
        answer = platform.http.post("/executions", json=body)
        return answer.json()["id"], answer.status_code

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, range(100)))
    assert len({identifier for identifier, _ in answers}) == 1
    assert sorted(code for _, code in answers) == [200] * 99 + [201]
    load = ("--action", "night.load", *keyed)
    assert _st_ops(platform, "execution", "wait", *load, "--for", "20s").returncode == 1
    assert _st_ops(platform, "execution", "status", "--action", "night.report", *keyed).returncode == 4
    mark.touch()
    again = _st_ops(platform, "run", "night.load", f"mark={mark}", *keyed, "--retry", "-o", "json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["id"] != answers[0][0]
    report = _st_ops(platform, "execution", "wait", "--action", "night.report", *keyed, "--for", "20s")
    assert (report.returncode, waits in report.stdout) == (0, True)
    assert (
        _st_ops(platform, "execution", "status", "--action", "night.report", "--run-key", "x").returncode == 5
    )


def test_sensors_of_another_process_are_seen(platform: Platform) -> None:
    def running() -> dict[str, Any]:
        (found,) = platform.get("/sensortypes", pack="night")
        assert found["state"]["phase"] == "running", found["state"]
        assert found["state"]["events"] == 1
        return dict(found["state"])

    state = platform.eventually(running, 30, "the sensor to be seen running")
    assert state["pid"] != platform.processes["api"].pid
    listed = _st_ops(platform, "sensor", "list", "--pack", "night").stdout
    assert "running" in listed
    platform.kill("sensors")
    platform.eventually(
        lambda: platform.get("/sensortypes/night.tick")["state"]["phase"] == "lost", 20, "its loss to be seen"
    )
