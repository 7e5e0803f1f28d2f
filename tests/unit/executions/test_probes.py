"""A worker was lost while it ran an action that names a probe: the target is asked, and its answer decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from st_ops.errors import IllegalMove
from st_ops.model.executions import Execution
from st_ops.model.identity import new_id
from st_ops.model.status import Status
from st_ops.store import audit, claims, history
from st_ops.store.executions import Move
from tests.unit.executions.platform import Stages
from tests.waiting import eventually

Start = Callable[..., Stages]

#: An action that no runner here takes, so that the tests can lose it.
LOST = """\
name: lost
runner_type: {runner}
entry_point: lost.py
queue: elsewhere
probe: t.probe
parameters:
  target: {{type: string, default: h1}}
  password: {{type: string, secret: true}}
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    opened: list[Stages] = []

    def make(probe: str, runner: str = "python-script", **more: str) -> Stages:
        files = {
            "actions/lost.yaml": LOST.format(runner=runner),
            "actions/lost.py": "def lost(target=''):\n    return 1\n",
            **({"actions/probe.yaml": probe} if probe else {}),
            **{name.replace("__", "/") + ".yaml": text for name, text in more.items()},
        }
        settings = {"lease_seconds": 1.0, "heartbeat_seconds": 0.2}
        opened.append(Stages(tmp_path, files, worker=settings))
        return opened[-1]

    yield make
    for stages in opened:
        stages.close()


def shell_probe(cmd: str, *declared: str) -> str:
    text = f"name: probe\nrunner_type: local-shell-cmd\nparameters:\n  cmd:\n    default: >-\n      {cmd}\n"
    return text + "".join(f"  {name}: {{type: {kind}}}\n" for name, kind in (d.split(":") for d in declared))


def lose(stages: Stages, entry: Execution) -> Execution:
    """Let a worker that does not exist claim it: the reaper finds it lost. Answers it as claimed."""
    with stages.platform.database.write() as tx:
        (claimed,) = claims.claim(tx, new_id(), ["elsewhere"], (), 1)
    assert claimed.id == entry.id
    return claimed


def probes_of(stages: Stages) -> list[Execution]:
    with stages.platform.database.read() as tx:
        return history.find(tx, history.ExecutionFilter(action="t.probe"), result=True)


def reasons(stages: Stages, entry: Execution) -> list[tuple[str, str, str]]:
    with stages.platform.database.read() as tx:
        lines = audit.find(tx, subject_id=entry.id, newest_first=False)
    return [(line.actor, line.verb, line.reason) for line in lines]


def test_a_probe_that_says_it_took_effect_ends_the_run_with_its_result(start: Start) -> None:
    answer = """echo '{"took_effect": true, "result": {"id": 7, "of": "{{ execution_id }} {{ target }}"}}'"""
    stages = start(shell_probe(answer, "execution_id:string", "target:string"))
    entry = stages.ask("t.lost", parameters={"target": "web7", "password": "hush"})
    claimed = lose(stages, entry)
    (ended,) = stages.ended(entry)
    (probe,) = probes_of(stages)
    assert ended.status is Status.SUCCEEDED
    assert ended.result == {
        "result": {"id": 7, "of": f"{entry.id} web7"}, "exit_code": 0, "stdout": "", "stderr": "",
    }  # fmt: skip
    assert probe.context["probe_of"] == entry.id
    assert probe.trace_id == entry.trace_id
    assert "password" not in probe.parameters
    told = reasons(stages, entry)
    assert [verb for _, verb, _ in told] == ["requested", "running", "pending", "succeeded"]
    assert told[2][2].endswith("'t.probe' is asked whether it took effect")
    assert told[3][0] == "probe t.probe"
    assert told[3][2] == f"execution {probe.id} of the probe 't.probe' says that it took effect"
    late = Move(execution_id=entry.id, status=Status.FAILED, token=claimed.token, result={"late": True})
    assert "no longer valid" in stages.platform.lifecycle.move([late])[0].refused


def test_a_report_of_the_lost_run_does_not_count_while_the_probe_is_asked(
    start: Start, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    stages = start(shell_probe(f"while ! test -e {mark}; do sleep 0.05; done; echo false"))
    entry = stages.ask("t.lost")
    claimed = lose(stages, entry)
    pending = stages.reached(entry, Status.PENDING)
    assert pending.worker_id is None
    late = Move(execution_id=entry.id, status=Status.SUCCEEDED, token=claimed.token, result=1)
    assert "no longer valid" in stages.platform.lifecycle.move([late])[0].refused
    mark.touch()
    again = stages.reached(entry, Status.REQUESTED)
    assert "says that it did not take effect, so it is run again" in again.reason
    lose(stages, entry)
    eventually(lambda: len(probes_of(stages)) == 2, 20, "a second probe for the second loss")


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        (shell_probe("exit 3"), "failed, so whether it took effect is unknown"),
        (shell_probe("echo perhaps"), "does not say whether it took effect; expected a boolean"),
        ("", "There is no action 't.probe'"),
    ],
)
def test_a_probe_without_an_answer_leaves_the_run_abandoned(start: Start, probe: str, reason: str) -> None:
    stages = start(probe)
    entry = stages.ask("t.lost")
    lose(stages, entry)
    (ended,) = stages.ended(entry)
    assert ended.status is Status.ABANDONED
    assert reason in ended.reason
    resolved = stages.platform.orders.resolve(entry.id, Status.SUCCEEDED, "ada", "I saw it", {"id": 1})
    assert (resolved.status, resolved.reason, resolved.result) == (Status.SUCCEEDED, "I saw it", {"id": 1})
    assert reasons(stages, entry)[-1] == ("ada", "succeeded", "I saw it")


def test_a_run_whose_probe_is_asked_can_be_canceled_or_resolved(start: Start) -> None:
    stages = start(shell_probe("sleep 30"))
    first = stages.ask("t.lost")
    lose(stages, first)
    stages.reached(first, Status.PENDING)
    assert stages.platform.orders.cancel(first.id, "ada").status is Status.CANCELED
    second = stages.ask("t.lost")
    lose(stages, second)
    stages.reached(second, Status.PENDING)
    assert stages.platform.orders.resolve(second.id, Status.FAILED, "ada", "no").status is Status.FAILED
    with pytest.raises(IllegalMove):
        stages.platform.orders.resolve(second.id, Status.SUCCEEDED, "ada", "yes")


def test_nobody_can_decide_for_another_execution_by_calling_theirs_a_probe(start: Start) -> None:
    stages = start(shell_probe("sleep 30"))
    entry = stages.ask("t.lost")
    lose(stages, entry)
    stages.reached(entry, Status.PENDING)
    forged = stages.ask("core.local", parameters={"cmd": "echo true"}, context={"probe_of": entry.id})
    stages.ended(forged)
    assert stages.get(entry.id).status is Status.PENDING


WORKFLOW = """\
version: 1.0
tasks:
  create:
    action: t.lost
    next:
      - when: <% succeeded() %>
        publish: id=<% result().result.id %>
        do: use
  use:
    action: core.local cmd="echo <% ctx().id %>"
output:
  - id: <% ctx().id %>
"""


def test_a_workflow_goes_on_with_what_the_probe_found(start: Start) -> None:
    answer = """echo '{"took_effect": true, "result": {"id": "i-1"}}'"""
    stages = start(
        shell_probe(answer),
        actions__flow="name: flow\nrunner_type: orquesta\nentry_point: workflows/flow.yaml\n",
        actions__workflows__flow=WORKFLOW,
    )
    workflow = stages.ask("t.flow")
    eventually(lambda: bool(_waiting(stages)), 20, "the task to wait for a worker")
    lose(stages, _waiting(stages)[0])
    (ended,) = stages.ended(workflow)
    assert ended.status is Status.SUCCEEDED
    assert ended.result["output"] == {"id": "i-1"}
    assert "pending" not in stages.verbs(workflow)


def _waiting(stages: Stages) -> list[Any]:
    with stages.platform.database.read() as tx:
        return history.find(tx, history.ExecutionFilter(action="t.lost", status=("requested",)))
