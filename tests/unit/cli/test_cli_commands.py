"""The commands against a served API: what they print, and their exit codes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from st_ops.model.bells import Bell, Topic
from st_ops.model.executions import OutputLine
from st_ops.model.status import Status
from st_ops.store import history, outputs
from tests.unit.api.api_stage import ApiStage
from tests.unit.cli.conftest import Cli


class Worker:
    """Ends every requested execution the way a test says, in a thread of its own."""

    def __init__(self, stage: ApiStage) -> None:
        self.status = Status.SUCCEEDED
        self.result: object = {"result": "done", "exit_code": 0, "stdout": "", "stderr": ""}
        self.printed = ""
        self._stage = stage
        self._subscription = stage.bus.subscribe([Topic.EXECUTION_REQUESTED], self._on_bell)

    def _on_bell(self, bell: Bell) -> None:
        for identifier in bell.ids:
            threading.Thread(target=self._end, args=(identifier,), daemon=True).start()

    def _end(self, identifier: str) -> None:
        if self.printed:
            with self._stage.database.write() as tx:
                outputs.append(tx, [OutputLine(execution_id=identifier, seq=1, data=self.printed)])
        self._stage.finish(identifier, self.result, self.status)

    def close(self) -> None:
        self._subscription.close()


@pytest.fixture
def worker(stage: ApiStage) -> Iterator[Worker]:
    worker = Worker(stage)
    yield worker
    worker.close()


def test_run_waits_and_prints_the_result(cli: Cli, worker: Worker):
    said = cli("run", "demo.greet", "name=Ada", "times=2", "loud=yes", 'extra={"a": 1}', "names=a,b")
    assert said.code == 0, said.err
    assert "succeeded" in said.out
    assert "done" in said.out
    shown = json.loads(cli("run", "demo.greet", "name=Ada", "times=2", "--json").out)
    assert shown["parameters"]["times"] == 2
    assert shown["result"]["result"] == "done"
    assert yaml.safe_load(cli("run", "demo.greet", "name=Ada", "-o", "yaml").out)["status"] == "succeeded"


def test_run_exits_1_when_the_action_failed(cli: Cli, worker: Worker):
    worker.status, worker.result = Status.FAILED, {"error": "no luck"}
    said = cli("run", "core.noop")
    assert said.code == 1
    assert "no luck" in said.out


def test_run_tells_what_is_wrong_with_a_parameter_and_runs_nothing(cli: Cli, stage: ApiStage):
    with stage.database.read() as tx:
        before = history.count(tx, history.ExecutionFilter())
    for arguments, what in (
        (("name=Ada", "times=many"), "Parameter 'times': 'many' is not a whole number."),
        (("nmae=Ada",), "Did you mean 'name'?"),
        ((), "name"),
    ):
        said = cli("run", "demo.greet", *arguments)
        assert said.code == 1
        assert said.err.startswith("Error: ")
        assert what in said.err
    with stage.database.read() as tx:
        assert history.count(tx, history.ExecutionFilter()) == before
    said = cli("run", "demo.nothing")
    assert (said.code, "st-ops action list" in said.err) == (1, True)


def test_run_with_tail_prints_what_the_action_prints(cli: Cli, worker: Worker):
    worker.printed = "line one\n"
    said = cli("run", "core.noop", "--tail")
    assert (said.code, said.out) == (0, "line one\n")


def test_run_does_not_wait_when_told_so_and_its_key_finds_the_run_again(cli: Cli, stage: ApiStage):
    first = cli("run", "core.noop", "--async", "--run-key", "today").out.strip()
    assert cli("run", "core.noop", "--async", "--run-key", "today").out.strip() == first
    said = cli("execution", "wait", "--action", "core.noop", "--run-key", "today", "--for", "100ms")
    assert (said.code, "is still requested" in said.err) == (4, True)
    stage.finish(first, None)
    assert cli("execution", "wait", "--action", "core.noop", "--run-key", "today").code == 0
    assert cli("execution", "wait", first, "--for", "soon").code == 2
    assert cli("execution", "wait").code == 2


def test_executions_are_listed_shown_and_canceled(cli: Cli):
    identifier = cli("run", "core.noop", "--async").out.strip()
    assert identifier in cli("execution", "list").out
    assert (
        json.loads(cli("execution", "list", "--status", "requested", "-o", "json").out)[0]["id"] == identifier
    )
    assert "core.noop" in cli("execution", "get", "last").out
    said = cli("execution", "cancel", identifier)
    assert (said.code, "is canceled" in said.err) == (0, True)
    again = cli("execution", "cancel", identifier)
    assert (again.code, "cannot be canceled any more" in again.err) == (1, True)
    assert cli("execution", "pause", identifier).code == 1


def test_output_is_printed_and_followed(cli: Cli, stage: ApiStage, worker: Worker):
    worker.printed = "hello\n"
    identifier = json.loads(cli("run", "core.noop", "--json").out)["id"]
    assert cli("execution", "output", identifier).out == "hello\n"
    assert cli("execution", "output", identifier, "--follow").out == "hello\n"
    said = cli("execution", "tail", identifier)
    assert (said.code, said.out) == (0, "hello\n")


def test_content_is_listed_and_switched(cli: Cli):
    assert "demo.greet" in cli("action", "list").out
    shown = cli("action", "get", "demo.greet").out
    assert "Whom to greet." in shown
    assert cli("rule", "enable", "demo.on_thing").err.strip() == "demo.on_thing is enabled."
    assert "demo.on_thing" in cli("rule", "list", "--enabled").out
    assert cli("rule", "disable", "demo.on_thing").code == 0
    assert "demo.on_thing" not in cli("rule", "list", "--enabled").out
    assert "trigger.body.level" in cli("rule", "get", "demo.on_hook").out
    assert cli("action", "disable", "core.local").code == 0
    assert cli("action", "enable", "core.local").code == 0
    assert "demo.Watch" in cli("sensor", "list").out
    assert "demo.thing" in cli("trigger", "list").out
    assert "hook/one" in cli("trigger", "list", "--with-parameters").out
    assert "demo" in cli("pack", "list").out
    assert "demo.greet" in cli("pack", "get", "demo").out
    assert "There are no workers" in cli("worker", "list").out


def test_an_event_is_emitted_and_seen(cli: Cli, tmp_path: Path):
    made = json.loads(cli("trigger", "emit", "demo.thing", "size=3", "-o", "json").out)
    assert made["id"] in cli("trigger-instance", "list", "--trigger", "demo.thing").out
    assert "size: 3" in cli("trigger-instance", "get", made["id"]).out
    wrong = cli("trigger", "emit", "demo.thing", "size=big")
    assert (wrong.code, "Parameter 'size'" in wrong.err) == (1, True)
    path = tmp_path / "payload.yaml"
    path.write_text("size: 4\n")
    first = json.loads(
        cli("trigger", "emit", "demo.thing", "--payload", path, "--delivery", "d1", "-o", "json").out
    )
    again = cli("trigger", "emit", "demo.thing", "--payload", path, "--delivery", "d1")
    assert first["id"] in again.out
    assert "accepted before" in again.out


def test_a_rule_is_tested_from_files(cli: Cli, tmp_path: Path):
    event = tmp_path / "event.yaml"
    event.write_text("trigger: core.st2.webhook\npayload: {body: {level: high}}\n")
    said = cli("rule", "test", "demo.on_hook", event)
    assert said.code == 0
    assert "demo.on_hook matches" in said.out
    event.write_text("trigger: [\n")
    said = cli("rule", "test", "demo.on_hook", event)
    assert (said.code, f"{event}:" in said.err) == (1, True)


def test_keys_are_set_listed_and_deleted_and_secrets_are_never_arguments(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
):
    assert cli("key", "set", "color", "red").code == 0
    assert cli("key", "get", "color").out.strip() == "red"
    refused = cli("key", "set", "pin", "1234", "--secret")
    assert (refused.code, "--secret" in refused.err) == (2, True)
    monkeypatch.setattr(sys, "stdin", io.StringIO("1234-secret\n"))
    assert cli("key", "set", "pin", "--secret").code == 0
    assert "1234-secret" not in cli("key", "list").out
    assert cli("key", "get", "pin").out.strip() == "********"
    assert cli("key", "get", "pin", "--decrypt").out.strip() == "1234-secret"
    assert cli("key", "delete", "pin").code == 0
    assert cli("key", "get", "pin").code == 1


def test_the_audit_tells_a_trace_from_its_beginning(cli: Cli, worker: Worker):
    identifier = json.loads(cli("run", "core.noop", "--json").out)["id"]
    entries = json.loads(cli("audit", "list", "--execution", identifier, "-o", "json").out)
    assert [entry["verb"] for entry in entries] == ["requested", "running", "succeeded"]
    table = cli("audit", "list", "--execution", identifier).out
    assert table.index("requested") < table.index("succeeded")


def test_the_status_is_a_glance(cli: Cli, stage: ApiStage):
    said = cli("status")
    assert said.code == 0
    assert stage.url in said.out
    assert "3 packs" in said.out
    assert json.loads(cli("status", "-o", "json").out)["registered"]["packs"] == 3


def test_packs_are_reloaded_with_what_is_wrong(cli: Cli, stage: ApiStage):
    assert cli("pack", "reload").code == 0
    broken = stage.packs / "demo" / "rules" / "broken.yaml"
    broken.write_text("name: broken\ntrigger: {type: demo.thing}\n")
    said = cli("pack", "reload", "demo")
    broken.unlink()
    assert said.code == 1
    assert "rules/broken.yaml" in said.out
    assert cli("pack", "reload", "demo").code == 0


def test_packs_are_checked_without_a_server(bare: Cli, stage: ApiStage, tmp_path: Path):
    assert bare("pack", "check", stage.packs / "demo").code == 0
    pack = tmp_path / "bad"
    (pack / "actions").mkdir(parents=True)
    (pack / "pack.yaml").write_text("name: bad\ndescription: Bad.\nversion: 1.0.0\nauthor: x\n")
    (pack / "actions" / "a.yaml").write_text("name: a\nrunner_type: nonsense\n")
    said = bare("pack", "check", pack)
    assert said.code == 1
    assert "bad/actions/a.yaml:2: error: runner_type:" in said.out
    report = json.loads(bare("pack", "check", pack, "--json").out)
    assert report["ok"] is False


def test_the_server_is_found_through_the_home_wherever_the_option_stands(
    bare: Cli, stage: ApiStage, tmp_path: Path
):
    token_file = tmp_path / "admin.token"
    token_file.write_text(stage.admin_token + "\n")
    (tmp_path / "server.json").write_text(
        json.dumps({"url": stage.url, "pid": 1, "token_file": str(token_file)})
    )
    for arguments in (
        ("--home", tmp_path, "status"),
        ("status", "--home", tmp_path),
        (f"--home={tmp_path}", "status"),
    ):
        assert bare(*arguments).code == 0, arguments


def test_without_a_server_the_exit_code_is_3(bare: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said = bare("status", "--home", tmp_path)
    assert (said.code, "'st-ops up' starts one" in said.err) == (3, True)
    monkeypatch.setenv("ST_OPS_URL", "http://127.0.0.1:9")
    said = bare("execution", "list")
    assert (said.code, "cannot be reached" in said.err) == (3, True)


def test_a_wrong_token_and_wrong_usage_say_so(cli: Cli, monkeypatch: pytest.MonkeyPatch):
    assert cli("execution", "list", "--nonsense").code == 2
    assert cli("nonsense").code == 2
    monkeypatch.setenv("ST_OPS_TOKEN", "wrong")
    said = cli("status")
    assert (said.code, "ST_OPS_TOKEN" in said.err) == (1, True)


def test_interrupting_leaves_the_execution_running_and_says_so(stage: ApiStage):
    import os
    import signal

    environment = {**os.environ, "ST_OPS_URL": stage.url, "ST_OPS_TOKEN": stage.admin_token}
    # Whoever runs the tests in the background of a shell has them ignore Ctrl-C, and their children with them.
    command = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from st_ops.cli.main import main; main(['run', 'core.noop', '--tail', '--run-key', 'ctrl-c'])"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", command], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert child.stderr is not None
    line = child.stderr.readline()
    identifier = line.split()[-1]
    child.send_signal(signal.SIGINT)
    _, rest = child.communicate(timeout=20)
    assert child.returncode == 130
    assert f"st-ops execution cancel {identifier}" in rest
    assert "Traceback" not in rest
    assert stage.user.get(f"/v1/executions/{identifier}").json()["status"] == "requested"


def test_the_help_is_quick_because_nothing_heavy_is_imported():
    heavy = "fastapi", "sqlalchemy", "kombu", "pydantic", "httpx", "boto3", "jinja2"
    command = f"import sys, st_ops.cli.main; sys.exit(','.join(name for name in {heavy!r} if name in sys.modules) or 0)"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
