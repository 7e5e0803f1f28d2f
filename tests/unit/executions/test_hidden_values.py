"""What a run must not show: sealed in the store, handed on to children, masked across pieces of output."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from st_ops.bus.kombu_bus import KombuBus
from st_ops.executions.console import OutputConsole, OutputWriter
from st_ops.expressions.jinja import Templates
from st_ops.expressions.masker import Masker
from st_ops.model.executions import HIDDEN
from st_ops.model.status import Status
from st_ops.security.secrets import is_sealed
from st_ops.store import schema, workflow_log
from st_ops.store.database import Database
from st_ops.store.history import children
from st_ops.workflows.definitions import Definitions
from st_ops.workflows.live import LiveWorkflows
from st_ops.workflows.rendering import Rendering
from tests.unit.executions.platform import Stages

_FILES = {
    "config.schema.yaml": "key: {type: string, secret: true, default: config-secret}\n",
    "actions/make.yaml": """\
name: make
runner_type: python-script
entry_point: make.py
output_schema: {pin: {type: integer, secret: true}, user: {type: string}}
""",
    "actions/make.py": """\
from st_ops.sdk import action

@action
def make() -> dict:
    print("made for ada")
    return {"pin": 123456, "user": "ada"}
""",
    "actions/say.yaml": """\
name: say
runner_type: local-shell-cmd
parameters: {cmd: {type: string, default: "echo {{ config_context.key }}"}}
""",
    "actions/flow.yaml": "name: flow\nrunner_type: orquesta\nentry_point: workflows/flow.yaml\n",
    "actions/workflows/flow.yaml": """\
version: 1.0
tasks:
  make: {action: t.make, next: [{publish: [{pin: "<% result().result.pin %>"}], do: say}]}
  say: {action: t.say, input: {cmd: "echo <% ctx().pin %> | tr 1 7"}}
output:
  - pin: <% ctx().pin %>
""",
}


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    stages = Stages(tmp_path_factory.mktemp("hidden"), _FILES)
    yield stages
    stages.close()


def test_a_secret_output_is_stored_sealed(stages: Stages):
    (over,) = stages.ended(stages.ask("t.make"))
    assert is_sealed(over.result["result"]["pin"])
    assert over.result["result"]["user"] == "ada"
    assert stages.platform.box.open_values(over.result["result"]["pin"]) == 123456


def test_a_secret_output_reaches_later_tasks_and_is_hidden_there(stages: Stages):
    (over,) = stages.ended(stages.ask("t.flow"))
    assert over.result == {"output": {"pin": "********"}}
    with stages.platform.database.read() as tx:
        _, say = children(tx, [over.id], result=True)
        log = workflow_log.read(tx, over.id)
    # The number itself was used, though no place shows it: 723456 is what tr made of it.
    assert say.result["stdout"] == 723456
    assert is_sealed(say.parameters["cmd"])
    assert is_sealed(say.context[HIDDEN])
    assert HIDDEN not in say.context["parent"]
    assert "123456" not in str(log)
    kinds = [kind for kind, _, _ in log]
    assert kinds.count("hidden") == 1
    # From the moment on that it knows a secret, the workflow's log is sealed.
    after = log[kinds.index("hidden") :]
    assert all(is_sealed(data) for _, _, data in after)


def test_a_workflow_taken_up_again_still_knows_what_it_must_not_show(stages: Stages):
    (over,) = stages.ended(stages.ask("t.flow"))
    # Another engine's memory, which knows nothing but the log.
    platform = stages.platform
    memory = LiveWorkflows(Definitions(), Rendering(Templates(platform.key_values.decrypt)), platform.box)
    with platform.database.read() as tx:
        live = memory.get(tx, over.id)
    assert live is not None
    assert live.hidden == {"123456"}
    assert live.sealed


def test_a_secret_of_the_config_is_sealed_in_parameters(stages: Stages):
    (over,) = stages.ended(stages.ask("t.say"))
    assert is_sealed(over.parameters["cmd"])
    assert over.result["stdout"] == "********"


def test_what_callers_put_into_the_context_hides_nothing_and_is_left_out(stages: Stages):
    (over,) = stages.ended(stages.ask("t.say", parameters={"cmd": "echo hello"}, context={HIDDEN: ["hello"]}))
    assert over.result["stdout"] == "hello"
    assert HIDDEN not in over.context


def test_the_token_of_a_run_is_masked_in_what_it_prints(stages: Stages):
    (over,) = stages.ended(stages.ask("t.say", parameters={"cmd": "echo token $ST2_AUTH_TOKEN"}))
    assert over.result["stdout"] == "token ********"


# Output


@pytest.fixture
def console(tmp_path: Path) -> Iterator[OutputConsole]:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    writer = OutputWriter(database, KombuBus("memory://", namespace=tmp_path.name))
    yield OutputConsole(writer, "e" * 24, 1, 1000, Masker(["secret-value"]))
    database.close()


def written(console: OutputConsole) -> str:
    console.close()
    return "".join(line.data for line in console.drain())


def test_a_secret_across_two_pieces_of_a_line_is_masked(console: OutputConsole):
    console.write("stdout", "begin secret-")
    console.write("stdout", "value end\n")
    assert written(console) == "begin ******** end\n"


def test_pieces_of_two_streams_are_kept_apart(console: OutputConsole):
    console.write("stdout", "secret-")
    console.write("stderr", "value\n")
    console.close()
    assert {line.stream: line.data for line in console.drain()} == {"stdout": "secret-", "stderr": "value\n"}


def test_whole_lines_are_handed_on_at_once(console: OutputConsole):
    console.write("stdout", "a line\n")
    assert [line.data for line in console.drain()] == ["a line\n"]


def test_the_end_of_an_incomplete_line_waits_for_what_follows(console: OutputConsole):
    console.write("stdout", "x" * 100)
    (first,) = console.drain()
    held = Masker(["secret-value"]).longest - 1
    assert first.data == "x" * (100 - held)
    assert written(console) == "x" * held


def test_a_run_is_stored_without_any_secret_in_its_row(stages: Stages):
    (over,) = stages.ended(stages.ask("t.make"))
    assert over.status is Status.SUCCEEDED
    with stages.platform.database.read() as tx:
        row = tx.execute(select(schema.execution).where(schema.execution.c.id == over.id)).one()
    assert "123456" not in str(row)
