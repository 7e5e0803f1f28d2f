from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from st_ops.model.executions import Execution
from st_ops.model.resources import Action
from st_ops.model.status import Status
from st_ops.runners.base import Job, Stop
from st_ops.runners.container import ContainerRunner
from st_ops.runners.container_command import container_command
from st_ops.runners.options import RunnerOptions
from st_ops.runners.sandbox.pool import SandboxPool
from st_ops.runners.strays import host_name, worker_mark
from tests.unit.runners.fake_engine import FakeEngine
from tests.unit.runners.running import Lines, left_of, meanwhile


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return FakeEngine(tmp_path / "engine")


@pytest.fixture
def container(engine: FakeEngine, pool: SandboxPool, work_root: Path) -> ContainerRunner:
    options = RunnerOptions(
        grace_seconds=0.5,
        output_bytes=200_000,
        container_engine=str(engine.program),
        work_root=str(work_root),
    )
    return ContainerRunner(options, pool)


def job(
    image: str = "alpine",
    *,
    limits: dict[str, Any] | None = None,
    parameters: dict[str, Any] | None = None,
    timeout: float | None = 30,
    folder: str = "",
    **given: Any,
) -> Job:
    schema = {name: {"type": "string", "secret": True} for name in parameters or {}}
    return Job(
        execution=Execution(action="t.contained", runner="container"),
        action=Action(
            pack="t", name="contained", runner_type="container", limits=limits or {}, parameters=schema
        ),
        parameters=parameters or {},
        runner_parameters={"image": image, **given},
        environment={"ST2_ACTION_AUTH_TOKEN": "token-of-the-run"},
        timeout=timeout,
        artifacts=folder,
    )


def test_a_command_runs_in_the_shell_of_the_image_and_its_output_is_the_result(
    container: ContainerRunner, engine: FakeEngine, lines: Lines
):
    outcome = container.run(job(cmd="echo out; echo err >&2; exit 3"), lines, Stop())

    assert outcome.status is Status.FAILED
    assert outcome.result == {
        "succeeded": False, "failed": True, "return_code": 3, "stdout": "out", "stderr": "err",
    }  # fmt: skip
    assert outcome.reason == "It ended with exit code 3."
    assert lines.text() == "out\n"
    assert (engine.ran["image"], engine.option("--entrypoint")) == ("alpine", ["sh"])


def test_args_are_words_for_the_entry_point(container: ContainerRunner, engine: FakeEngine, lines: Lines):
    outcome = container.run(job(args=["printf", "%s-%s", "a b", 7]), lines, Stop())

    assert outcome.status is Status.SUCCEEDED, outcome
    assert outcome.result["stdout"] == "a b-7"
    assert engine.ran["command"] == ["printf", "%s-%s", "a b", "7"]
    assert engine.option("--entrypoint") == []


def test_nothing_secret_is_an_argument_and_the_file_of_variables_is_private_and_gone(
    container: ContainerRunner, engine: FakeEngine, lines: Lines
):
    key = "-----BEGIN\nline two\n-----END"
    outcome = container.run(
        job(cmd='echo "$PASSWORD $ST2_ACTION_AUTH_TOKEN $KEY"', env={"PASSWORD": "open sesame", "KEY": key}),
        lines,
        Stop(),
    )

    assert outcome.result["stdout"] == f"open sesame token-of-the-run {key}"
    words = " ".join(engine.ran["cmdline"])
    assert "sesame" not in words
    assert "token-of-the-run" not in words
    assert "line two" not in words
    assert "echo" not in words
    assert engine.ran["mode"] == "0o600"
    assert "PASSWORD" not in engine.ran["client"]
    assert not Path(engine.ran["path"]).parent.exists()


def test_a_secret_parameter_among_the_arguments_is_refused(
    container: ContainerRunner, engine: FakeEngine, lines: Lines
):
    outcome = container.run(
        job(args=["login", "--password=open sesame"], parameters={"p": "open sesame"}), lines, Stop()
    )

    assert outcome.status is Status.FAILED
    assert outcome.reason.startswith("A secret would be an argument of a process")
    assert not (engine.folder / "calls").exists()


def test_the_container_is_labelled_with_the_execution_and_removed_afterwards(
    container: ContainerRunner, engine: FakeEngine, lines: Lines
):
    work = job(cmd="true")
    assert container.run(work, lines, Stop()).status is Status.SUCCEEDED

    assert set(engine.option("--label")) == {
        f"st_ops.execution={work.execution.id}", f"st_ops.host={host_name()}", f"st_ops.worker={worker_mark()}",
    }  # fmt: skip
    (name,) = engine.option("--name")
    assert engine.calls[-1] == ["rm", "--force", "--volumes", name]
    assert engine.containers == []


def test_parameters_and_limits_become_options(container: ContainerRunner, engine: FakeEngine, lines: Lines):
    limits = {
        "memory_mb": 64, "cpus": 0.5, "processes": 20, "open_files": 100, "cpu_seconds": 9, "file_mb": 1,
    }  # fmt: skip
    given: dict[str, Any] = {
        "cwd": "/work", "user": "1000:1000", "network": "none", "pull": "always",
        "mounts": ["/srv/data:/data:ro", "cache:/var/cache"],
    }  # fmt: skip
    outcome = container.run(job(cmd="true", limits=limits, **given), lines, Stop())

    assert outcome.status is Status.SUCCEEDED, outcome
    always = ("--name", "--label", "--env-file", "--interactive", "--entrypoint")
    asked = {name: engine.option(name) for name, _value in engine.ran["options"] if name not in always}
    assert asked == {
        "--pull": ["always"],
        "--workdir": ["/work"],
        "--user": ["1000:1000"],
        "--network": ["none"],
        "--mount": [
            "type=bind,source=/srv/data,target=/data,readonly",
            "type=volume,source=cache,target=/var/cache",
        ],
        "--memory": ["67108864b"],
        "--memory-swap": ["67108864b"],
        "--cpus": ["0.5"],
        "--pids-limit": ["20"],
        "--ulimit": ["cpu=9:9", "nofile=100:100", "fsize=1048576:1048576"],
    }


def test_the_artifact_folder_is_mounted_when_asked_for(
    container: ContainerRunner, engine: FakeEngine, lines: Lines
):
    container.run(job(cmd="true", folder="/room/of/the/run"), lines, Stop())
    assert (engine.option("--mount"), "ST_OPS_ARTIFACTS" in engine.ran["variables"]) == ([], False)

    container.run(job(cmd="true", folder="/room/of/the/run", artifacts=True), lines, Stop())
    assert engine.option("--mount") == ["type=bind,source=/room/of/the/run,target=/st-ops/artifacts"]
    assert engine.ran["variables"]["ST_OPS_ARTIFACTS"] == "/st-ops/artifacts"


def test_a_timeout_ends_a_container_that_heeds_no_signal(
    container: ContainerRunner, engine: FakeEngine, lines: Lines
):
    work = job("deaf", cmd="trap '' TERM; echo on; while :; do sleep 0.05; done", timeout=0.5)

    outcome = container.run(work, lines, Stop())

    assert outcome.status is Status.TIMEOUT
    assert outcome.reason == "Action failed to complete in 0.5 seconds"
    assert engine.containers == []
    assert left_of(work) == []


def test_cancel_reaches_the_container_as_sigterm_first(
    container: ContainerRunner, engine: FakeEngine, lines: Lines
):
    work = job(cmd="trap 'echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    stop = Stop()
    with meanwhile(lambda: lines.wait_for("ready"), lambda: stop.set("canceled")):
        outcome = container.run(work, lines, stop)

    assert outcome.status is Status.CANCELED
    assert "tidied" in outcome.result["stdout"]
    assert engine.containers == []


def test_output_beyond_the_cap_is_dropped_with_a_note(container: ContainerRunner, lines: Lines):
    outcome = container.run(job(cmd="head -c 3000000 /dev/zero | tr '\\0' x"), lines, Stop())

    assert outcome.status is Status.SUCCEEDED
    assert outcome.result["stdout"].endswith("[st_ops: output beyond 200000 bytes was dropped]")


def test_a_command_larger_than_a_pipe_arrives(container: ContainerRunner, lines: Lines):
    outcome = container.run(job(cmd=f"# {'x' * 300_000}\necho arrived; cat"), lines, Stop())
    assert outcome.result["stdout"] == "arrived"


def test_a_container_killed_for_its_memory_says_so(container: ContainerRunner, lines: Lines):
    outcome = container.run(job("hungry", cmd="true", limits={"memory_mb": 64}), lines, Stop())

    assert outcome.status is Status.FAILED
    assert outcome.reason == "It was killed: it used more than its 64 MB of memory (limits.memory_mb)."


def test_an_image_that_cannot_be_had_is_said_in_the_engines_words(container: ContainerRunner, lines: Lines):
    outcome = container.run(job("absent", cmd="true"), lines, Stop())

    assert outcome.status is Status.FAILED
    assert outcome.reason == (
        "docker could not run it: Error response from daemon: pull access denied for absent."
    )


def test_an_exit_code_of_the_command_is_not_taken_for_one_of_the_engine(
    container: ContainerRunner, lines: Lines
):
    outcome = container.run(job(cmd="echo no such thing >&2; exit 127"), lines, Stop())
    assert outcome.reason == "It ended with exit code 127."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"image": ""}, "The parameter 'image' is missing"),
        ({"cmd": "true", "args": ["x"]}, "Give either 'cmd'"),
        ({"mounts": ["/only"]}, "'/only' in 'mounts' is no mount: expected source:/target"),
        ({"mounts": ["/a:b"]}, "is no mount"),
        ({"mounts": ["/a:/b:rx"]}, "is no mount"),
        ({"pull": "sometimes"}, "'pull' must be one of missing, always, never"),
        ({"env": {"a b": "1"}}, "'a b' in 'env' is no name of a variable."),
        ({"env": {"PATH": "a\nb"}}, "The variable PATH must be one line"),
    ],
)
def test_parameters_that_make_no_container_are_told(
    container: ContainerRunner, lines: Lines, given: dict[str, Any], said: str
):
    outcome = container.run(job(**{"image": "alpine", **given}), lines, Stop())
    assert outcome.status is Status.FAILED
    assert said in outcome.reason


def test_a_variable_of_many_lines_travels_in_the_clients_environment():
    found = container_command(
        "docker", "n", {"image": "i"}, labels={}, environment={"A": "1", "KEY": "x\ny", "LONG": "z" * 70_000},
        limits={}, env_path="/e",
    )  # fmt: skip
    assert found.env_file == "A=1\n"
    assert dict(found.passed) == {"KEY": "x\ny", "LONG": "z" * 70_000}
    assert "KEY" in found.argv
    assert "LONG" in found.argv
    assert "x\ny" not in repr(found)


def test_a_host_without_an_engine_says_so(
    pool: SandboxPool, lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = ContainerRunner(RunnerOptions(), pool).run(job(cmd="true"), lines, Stop())
    assert outcome.status is Status.FAILED
    assert outcome.reason.startswith(
        "There is no container engine on this host: neither docker nor podman is on the PATH of the worker."
    )

    named = ContainerRunner(RunnerOptions(container_engine="nerdctl"), pool).run(job(), lines, Stop())
    assert named.reason == ("The container engine 'nerdctl' (setting containers.engine) is not on this host.")


def test_a_client_whose_engine_does_not_run_says_so_in_its_words(
    pool: SandboxPool, lines: Lines, tmp_path: Path
):
    client = tmp_path / "docker"
    client.write_text(
        "#!/bin/sh\necho 'Cannot connect to the Docker daemon at unix:///x.sock.' >&2\nexit 125\n"
    )
    client.chmod(0o755)
    runner = ContainerRunner(RunnerOptions(container_engine=str(client)), pool)

    outcome = runner.run(job(cmd="true"), lines, Stop())

    assert outcome.reason.startswith("docker could not run it: Cannot connect to the Docker daemon")


def test_a_container_that_cannot_be_removed_is_named(
    container: ContainerRunner, engine: FakeEngine, lines: Lines
):
    breaking = f'sed -i \'2i import sys; sys.argv[1] == "rm" and sys.exit("in use")\' {engine.program}'
    outcome = container.run(job(cmd=breaking), lines, Stop())

    (name,) = engine.containers
    assert outcome.status is Status.SUCCEEDED
    assert outcome.reason == f"The container {name} could not be removed: in use"


def test_containers_of_dead_workers_of_this_host_are_removed_at_the_start(
    container: ContainerRunner, engine: FakeEngine
):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    gone = f"{dead.pid}.12345"
    engine.leave("stray", execution="1", worker=gone, host=host_name())
    engine.leave("elsewhere", execution="2", worker=gone, host="another-1")
    engine.leave("alive", execution="3", worker=worker_mark(), host=host_name())
    engine.leave("foreign")

    container.sweep()
    container.close()

    assert sorted(engine.containers) == ["alive", "elsewhere", "foreign"]


def test_the_result_is_parsed_as_that_of_a_local_command(container: ContainerRunner, lines: Lines):
    outcome = container.run(job(cmd="""echo '{"a": 1}'"""), lines, Stop())
    assert outcome.result["stdout"] == {"a": 1}
    assert json.dumps(outcome.result)
