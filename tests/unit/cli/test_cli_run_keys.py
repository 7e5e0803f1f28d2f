"""Asking, waiting and trying again by action and run key, with an exit code for each answer."""

from __future__ import annotations

import threading

from st_ops.model.status import Status
from st_ops.store.executions import Move
from tests.unit.api.api_stage import ApiStage
from tests.unit.cli.conftest import Cli

KEYED = ("--action", "core.noop", "--run-key")


def test_a_run_is_asked_for_by_its_key(cli: Cli, stage: ApiStage):
    said = cli("execution", "status", *KEYED, "none")
    assert (said.code, said.err.strip()) == (5, "There is no execution of core.noop with run key 'none'.")
    first = cli("run", "core.noop", "--async", "--run-key", "day").out.strip()
    said = cli("execution", "status", *KEYED, "day")
    assert (said.code, said.out.strip()) == (4, f"Execution {first} is requested.")
    said = cli("execution", "wait", *KEYED, "day", "--for", "100ms")
    assert (said.code, "is still requested" in said.err) == (4, True)
    stage.finish(first, None)
    assert cli("execution", "status", *KEYED, "day").code == 0
    assert cli("execution", "wait", *KEYED, "day").code == 0
    assert cli("execution", "status", "0" * 24).code == 5
    assert cli("execution", "wait", first, "--for", "soon").code == 2
    assert cli("execution", "status").code == 2


def test_another_try_of_a_failed_run_takes_over_its_key(cli: Cli, stage: ApiStage):
    first = cli("run", "core.noop", "--async", "--run-key", "again").out.strip()
    stage.finish(first, {"error": "no"}, Status.FAILED)
    assert cli("execution", "status", *KEYED, "again").code == 1
    assert cli("run", "core.noop", "--async", "--run-key", "again").out.strip() == first
    second = cli("run", "core.noop", "--async", "--run-key", "again", "--retry").out.strip()
    assert second != first
    assert cli("run", "core.noop", "--async", "--run-key", "again", "--retry").out.strip() == second
    stage.finish(second, None)
    assert cli("run", "core.noop", "--run-key", "again", "--retry").code == 0
    assert cli("run", "core.noop", "--retry").code == 2


def test_waiting_with_a_limit_waits_for_a_run_that_another_starts(cli: Cli, stage: ApiStage):
    assert cli("execution", "wait", *KEYED, "late", "--for", "100ms").code == 5
    assert cli("execution", "wait", *KEYED, "late").code == 5

    def other_system() -> None:
        body = {"action": "core.noop", "run_key": "late"}
        stage.finish(stage.admin.post("/v1/executions", json=body).json()["id"], None)

    later = threading.Timer(0.3, other_system)
    later.start()
    said = cli("execution", "wait", *KEYED, "late", "--for", "20s")
    later.join()
    assert said.code == 0


def test_a_person_says_how_an_execution_ended(cli: Cli, stage: ApiStage):
    identifier = cli("run", "core.noop", "--async").out.strip()
    said = cli("execution", "resolve", identifier, "--as", "succeeded", "--why", "seen")
    assert (said.code, "is requested; it cannot become succeeded" in said.err) == (1, True)
    stage.lifecycle.move([Move(execution_id=identifier, status=Status.RUNNING)])
    stage.lifecycle.move([Move(execution_id=identifier, status=Status.ABANDONED, reason="lost")])
    assert (
        stage.user.post(f"/v1/executions/{identifier}/resolve", json={"as": "failed", "why": "x"}).status_code
        == 403
    )
    assert cli("execution", "resolve", identifier, "--as", "gone", "--why", "x").code == 1
    said = cli(
        "execution",
        "resolve",
        identifier,
        "--as",
        "succeeded",
        "--why",
        "seen in the console",
        "--result",
        "{]",
    )
    assert said.code == 2
    said = cli(
        "execution",
        "resolve",
        identifier,
        "--as",
        "succeeded",
        "--why",
        "seen in the console",
        "--result",
        '{"id": 1}',
    )
    assert (said.code, said.err.strip()) == (0, f"Execution {identifier} is succeeded.")
    shown = stage.admin.get(f"/v1/executions/{identifier}").json()
    assert (shown["result"], shown["reason"]) == ({"id": 1}, "seen in the console")
    (last,) = stage.admin.get(f"/v1/audit?subject_id={identifier}&limit=1").json()
    assert (last["actor"], last["verb"], last["reason"]) == ("admin", "succeeded", "seen in the console")
    assert last["detail"]["from"] == "abandoned"


def test_whom_it_runs_for_may_resolve_it(stage: ApiStage):
    identifier = stage.user.post("/v1/executions", json={"action": "core.noop"}).json()["id"]
    stage.lifecycle.move([Move(execution_id=identifier, status=Status.RUNNING)])
    stage.lifecycle.move([Move(execution_id=identifier, status=Status.ABANDONED, reason="lost")])
    answer = stage.user.post(
        f"/v1/executions/{identifier}/resolve", json={"as": "failed", "why": "not there"}
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "failed")
