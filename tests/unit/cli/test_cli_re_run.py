"""Running an execution once more, and which executions a list shows."""

from __future__ import annotations

import json

from st_ops.executions.requests import Request
from st_ops.model.identity import now
from st_ops.model.records import Worker
from st_ops.store import workers
from tests.unit.api.api_stage import ApiStage
from tests.unit.cli.conftest import Cli


def test_an_execution_is_run_again_with_what_is_given_changed(cli: Cli, stage: ApiStage):
    first = cli("run", "demo.greet", "name=Ada", "times=2", "--async").out.strip()
    again = json.loads(cli("execution", "re-run", first, "times=3", "--async", "--json").out)
    assert again["id"] != first
    assert (again["parameters"]["name"], again["parameters"]["times"]) == ("Ada", 3)
    wrong = cli("execution", "re-run", first, "tmies=3", "--async")
    assert (wrong.code, "Did you mean 'times'?" in wrong.err) == (1, True)
    bare = cli("execution", "re-run", first, "--no-merge", "--async")
    assert (bare.code, "name" in bare.err) == (1, True)


def test_a_list_without_filters_shows_roots_and_one_with_a_filter_finds_tasks_too(cli: Cli, stage: ApiStage):
    root, _ = stage.requests.request(Request(action="core.noop"))
    task, _ = stage.requests.request(
        Request(action="demo.greet", parameters={"name": "x"}, parent_id=root.id, root_id=root.id)
    )
    plain = cli("execution", "list")
    assert (root.id in plain.out, task.id in plain.out) == (True, False)
    assert "Without the tasks of workflows: see --all." in plain.err
    narrowed = cli("execution", "list", "--action", "demo.greet")
    assert task.id in narrowed.out
    assert "Tasks of workflows are among them." in narrowed.err
    assert cli("execution", "list", "--action", "demo.greet", "-o", "json").err == ""
    assert task.id in cli("execution", "list", "--all").out


def test_a_worker_is_drained_and_takes_work_again(cli: Cli, stage: ApiStage):
    worker = Worker(host="here", pid=1, expires_at=now())
    with stage.database.write() as tx:
        workers.register(tx, worker, 60)
    assert cli("worker", "drain", worker.id).code == 0
    assert json.loads(cli("worker", "get", worker.id, "-o", "json").out)["draining"] is True
    assert "takes work again" in cli("worker", "resume", worker.id).err
    assert json.loads(cli("worker", "get", worker.id, "-o", "json").out)["draining"] is False
    assert stage.user.post(f"/v1/workers/{worker.id}/resume").status_code == 403
    with stage.database.write() as tx:
        workers.unregister(tx, worker.id)


def test_the_help_of_commands_that_run_the_platform_names_no_server(bare: Cli):
    for command in ("up", "serve"):
        said = bare(command, "--help")
        assert "ST_OPS_HOME" in said.out
        assert "ST_OPS_URL" not in said.out
