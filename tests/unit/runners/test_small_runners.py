from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from st_ops.errors import NotFound
from st_ops.model.executions import Execution
from st_ops.model.resources import Action
from st_ops.model.runner_types import RUNNER_TYPES, resolve
from st_ops.model.status import Status
from st_ops.runners.base import Job, Stop
from st_ops.runners.options import RunnerOptions
from st_ops.runners.registry import Runners
from tests.unit.runners.running import KeyValues, Lines


def job(runner_type: str, parameters: dict[str, Any] | None = None, **given: Any) -> Job:
    return Job(
        execution=Execution(action="core.it", runner=runner_type),
        action=Action(pack="core", name="it", runner_type=runner_type),
        runner_parameters=given,
        parameters=parameters or {},
    )


@pytest.fixture
def runners(tmp_path: Path, key_values: KeyValues):
    runners = Runners(RunnerOptions(work_root=str(tmp_path)), key_values)
    yield runners
    runners.close()


def test_every_runner_type_but_workflows_has_a_runner(runners: Runners):
    for name, runner_type in RUNNER_TYPES.items():
        for called in (name, *runner_type.aliases):
            if runner_type.is_workflow:
                with pytest.raises(NotFound, match="conducted by the workflow engine"):
                    runners.for_type(called)
            else:
                assert name in runners.for_type(called).names


def test_an_unknown_runner_type_is_answered_with_those_there_are(runners: Runners):
    with pytest.raises(NotFound, match="Known are local-shell-cmd, "):
        runners.for_type("mistral")


def test_noop_succeeds(runners: Runners):
    runner = runners.for_type("noop")
    assert runner.inline
    assert runner.run(job("noop"), Lines(), Stop()).status is Status.SUCCEEDED


def test_a_question_is_pending_with_what_it_takes_to_answer_it(runners: Runners):
    outcome = runners.for_type("inquirer").run(job("inquirer", users=["ann"], route="ops"), Lines(), Stop())

    assert outcome.status is Status.PENDING
    assert outcome.result["schema"]["properties"]["continue"]["type"] == "boolean"
    assert (outcome.result["users"], outcome.result["roles"]) == (["ann"], [])
    assert (outcome.result["route"], outcome.result["ttl"]) == ("ops", 1440)


def test_an_announcement_goes_to_the_platform(runners: Runners, key_values: KeyValues):
    asked = job("announcement", {"message": "hello"}, experimental=True)
    outcome = runners.for_type("announcement").run(asked, Lines(), Stop())

    assert (outcome.status, outcome.result) == (Status.SUCCEEDED, {"message": "hello"})
    assert key_values.calls[-1] == ("announce", {"route": "general", "payload": {"message": "hello"}})


def test_an_announcement_must_say_that_it_is_experimental(runners: Runners):
    outcome = runners.for_type("announcement").run(job("announcement"), Lines(), Stop())
    assert outcome.reason == "The action core.it must set the parameter 'experimental' to true."


def test_winrm_that_is_not_installed_says_how_to_install_it(runners: Runners):
    assert importlib.util.find_spec("winrm") is None
    outcome = runners.for_type("winrm-cmd").run(job("winrm-cmd", cmd="dir", host="w"), Lines(), Stop())
    assert outcome.status is Status.FAILED
    assert "pip install 'st_ops[winrm]'" in outcome.reason


def test_aliases_name_the_same_type():
    assert resolve("run-python") is RUNNER_TYPES["python-script"]
    assert resolve("orchestra") is RUNNER_TYPES["orquesta"]
