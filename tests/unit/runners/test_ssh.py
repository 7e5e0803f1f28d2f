from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from st_ops.model.executions import Execution, Outcome
from st_ops.model.resources import Action
from st_ops.model.status import Status
from st_ops.runners.base import Job, Stop
from st_ops.runners.options import RunnerOptions, SshOptions
from st_ops.runners.ssh import SshRunner
from st_ops.runners.ssh_loop import SshLoop
from st_ops.runners.ssh_targets import host_port
from tests.unit.runners.running import Lines, is_running, meanwhile
from tests.unit.runners.ssh_server import PASSWORD, SshMachine, machine
from tests.waiting import eventually


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshMachine]:
    yield from machine(tmp_path_factory.mktemp("remote"))


@pytest.fixture(scope="module")
def runner(host: SshMachine) -> Iterator[SshRunner]:
    options = RunnerOptions(
        grace_seconds=0.5, ssh=SshOptions(known_hosts=host.known_hosts, key="", connect_seconds=5)
    )
    loop = SshLoop(options.ssh)
    yield SshRunner(options, loop)
    loop.close()


def remote_job(host: SshMachine, cmd: str, *, timeout: float = 20, **given: Any) -> Job:
    defaults = {
        "hosts": f"127.0.0.1:{host.port}", "username": "deploy", "private_key": host.private_key, "cwd": "/tmp",
    }  # fmt: skip
    return Job(
        execution=Execution(action="core.remote", runner="remote-shell-cmd"),
        action=Action(pack="core", name="remote", runner_type="remote-shell-cmd"),
        runner_parameters={"cmd": cmd, **defaults, **given},
        environment={"ST2_ACTION_AUTH_TOKEN": "top-secret"},
        timeout=timeout,
    )


def only(outcome: Outcome) -> dict[str, Any]:
    (result,) = outcome.result.values()
    return result


def test_a_command_runs_on_the_host_and_its_result_is_the_hosts(
    host: SshMachine, runner: SshRunner, lines: Lines
):
    outcome = runner.run(
        remote_job(host, "pwd; echo $NAME; echo err >&2", env={"NAME": "it's"}), lines, Stop()
    )

    assert outcome.status is Status.SUCCEEDED, outcome
    assert outcome.result == {
        "127.0.0.1": {
            "succeeded": True, "failed": False, "return_code": 0, "stdout": "/tmp\nit's", "stderr": "err",
        }
    }  # fmt: skip
    assert lines.text() == "[127.0.0.1] /tmp\n[127.0.0.1] it's\n"
    assert lines.text("stderr") == "[127.0.0.1] err\n"


def test_json_output_is_parsed_and_exit_codes_fail(host: SshMachine, runner: SshRunner, lines: Lines):
    outcome = runner.run(remote_job(host, "echo '{\"a\": 1}'; exit 7"), lines, Stop())

    assert outcome.status is Status.FAILED
    assert (only(outcome)["return_code"], only(outcome)["stdout"]) == (7, {"a": 1})
    assert outcome.reason == "It failed on 127.0.0.1: exit code 7"


def test_bash_is_what_commands_are_written_for(host: SshMachine, runner: SshRunner, lines: Lines):
    outcome = runner.run(remote_job(host, "[[ abc == a* ]] && echo ${BASH_VERSION:+bash}"), lines, Stop())
    assert only(outcome)["stdout"] == "bash"


def test_nothing_secret_stands_in_a_remote_processs_arguments(
    host: SshMachine, runner: SshRunner, lines: Lines
):
    look = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c top-secre[t]"
    outcome = runner.run(remote_job(host, f"echo $ST2_ACTION_AUTH_TOKEN; {look}"), lines, Stop())
    assert only(outcome)["stdout"] == "top-secret\n0"
    assert "top-secret" not in " ".join(host.asked)


def test_one_connection_serves_many_runs(host: SshMachine, runner: SshRunner, lines: Lines):
    runner.run(remote_job(host, "true"), lines, Stop())
    before = len(host.connections)
    for _ in range(3):
        assert runner.run(remote_job(host, "true"), lines, Stop()).status is Status.SUCCEEDED
    assert len(host.connections) == before


def test_a_connection_that_broke_is_made_again(host: SshMachine, runner: SshRunner, lines: Lines):
    runner.run(remote_job(host, "true"), lines, Stop())
    host.drop_connections()
    assert runner.run(remote_job(host, "echo back"), lines, Stop()).status is Status.SUCCEEDED


def test_a_connection_that_breaks_while_the_command_runs_leaves_its_end_unknown(
    host: SshMachine, runner: SshRunner, lines: Lines
):
    with meanwhile(lambda: lines.wait_for("running"), host.drop_connections):
        outcome = runner.run(remote_job(host, "echo running; sleep 100"), lines, Stop())
    assert outcome.status is Status.FAILED
    assert "how it ended is not known" in only(outcome)["error"]


def test_a_command_that_takes_too_long_is_killed_over_there(
    host: SshMachine, runner: SshRunner, lines: Lines
):
    outcome = runner.run(remote_job(host, "sleep 100 & echo $!; wait", timeout=1), lines, Stop())

    assert outcome.status is Status.TIMEOUT
    result = only(outcome)
    assert (result["timeout"], result["return_code"]) == (True, -9)
    assert result["error"] == "Action failed to complete in 1 seconds"
    eventually(lambda: not is_running(int(result["stdout"])))


def test_cancel_kills_what_ignores_sigterm_over_there(host: SshMachine, runner: SshRunner, lines: Lines):
    stop = Stop()
    with meanwhile(lambda: lines.wait_for("pid"), lambda: stop.set("canceled by admin")):
        outcome = runner.run(remote_job(host, "trap '' TERM; echo pid $$; sleep 100; sleep 100"), lines, stop)

    assert outcome.status is Status.CANCELED
    eventually(lambda: not is_running(int(only(outcome)["stdout"].split()[1])))


def test_a_host_that_is_not_there_fails_alone(host: SshMachine, runner: SshRunner, lines: Lines):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        job = remote_job(host, "echo here", hosts=f"127.0.0.1:{host.port}, 127.0.0.1:{port}")
        outcome = runner.run(job, lines, Stop())
        allowed = runner.run(
            remote_job(
                host, "echo here", hosts=f"127.0.0.1:{host.port},127.0.0.1:{port}", allow_partial_failure=True
            ),
            lines,
            Stop(),
        )
    assert outcome.status is Status.FAILED
    assert outcome.result[f"127.0.0.1:{host.port}"]["stdout"] == "here"
    bad = outcome.result[f"127.0.0.1:{port}"]
    assert bad["return_code"] == 255
    assert "the connection was refused; is sshd running, and on that port?" in bad["error"]
    assert allowed.status is Status.SUCCEEDED
    assert "allow_partial_failure permits" in allowed.reason


def test_a_login_that_is_refused_says_what_to_check(host: SshMachine, runner: SshRunner, lines: Lines):
    outcome = runner.run(remote_job(host, "true", private_key="", password="wrong"), lines, Stop())
    assert "refused the login: check username, password" in only(outcome)["error"]


def test_a_password_lets_in(host: SshMachine, runner: SshRunner, lines: Lines):
    outcome = runner.run(remote_job(host, "echo in", private_key="", password=PASSWORD), lines, Stop())
    assert only(outcome)["stdout"] == "in", outcome


def test_a_key_may_be_a_file_and_encrypted(host: SshMachine, runner: SshRunner, lines: Lines, tmp_path: Path):
    file = tmp_path / "key"
    file.write_bytes(host.user_key.export_private_key("pkcs8-pem", passphrase="word"))
    given: dict[str, Any] = {"private_key": str(file)}
    assert (
        only(runner.run(remote_job(host, "echo in", **given, passphrase="word"), lines, Stop()))["stdout"]
        == "in"
    )
    assert "is encrypted" in only(runner.run(remote_job(host, "true", **given), lines, Stop()))["error"]
    wrong = runner.run(remote_job(host, "true", **given, passphrase="no"), lines, Stop())
    assert "passphrase" in only(wrong)["error"]
    missing = runner.run(remote_job(host, "true", private_key="/no/key"), lines, Stop())
    assert "cannot be read: No such file" in only(missing)["error"]


def test_a_host_key_that_is_not_known_is_refused_unless_told_otherwise(
    host: SshMachine, runner: SshRunner, lines: Lines
):
    unknown = remote_job(host, "echo in", known_hosts="/no/such/file")
    assert "is not known or has changed" in only(runner.run(unknown, lines, Stop()))["error"]

    trusting = remote_job(host, "echo in", known_hosts="/no/such/file", verify_host_key=False)
    assert only(runner.run(trusting, lines, Stop()))["stdout"] == "in"

    pinned = remote_job(host, "echo in", host_key_fingerprint=host.host_key.get_fingerprint())
    assert only(runner.run(pinned, lines, Stop()))["stdout"] == "in"

    other = remote_job(host, "echo in", host_key_fingerprint="SHA256:other")
    error = only(runner.run(other, lines, Stop()))["error"]
    assert host.host_key.get_fingerprint() in error
    assert "asks for SHA256:other" in error


def test_a_bastion_is_gone_through(host: SshMachine, runner: SshRunner, lines: Lines):
    job = remote_job(host, "echo through", bastion_host=f"127.0.0.1:{host.port}")
    outcome = runner.run(job, lines, Stop())
    assert only(outcome)["stdout"] == "through", outcome
    assert host.forwarded == [host.port]


def test_a_script_is_copied_run_with_its_arguments_and_removed(
    host: SshMachine, runner: SshRunner, lines: Lines, pack: Path, tmp_path: Path
):
    (pack / "actions" / "lib").mkdir(parents=True)
    (pack / "actions" / "lib" / "part.sh").write_text("echo from the library\n")
    (pack / "actions" / "s.sh").write_text(
        '#!/bin/sh\n. "$(dirname "$0")/lib/part.sh"\necho "$@"; dirname "$0"\n'
    )
    job = Job(
        execution=Execution(action="thepack.s", runner="remote-shell-script"),
        action=Action(
            pack="thepack", name="s", runner_type="remote-shell-script", entry_point="s.sh",
            parameters={"what": {"position": 0}},
        ),
        pack_path=str(pack),
        parameters={"what": "a b", "flag": True},
        runner_parameters={**remote_job(host, "").runner_parameters, "dir": str(tmp_path)},
        timeout=20,
    )  # fmt: skip

    outcome = runner.run(job, lines, Stop())

    assert outcome.status is Status.SUCCEEDED, outcome
    library, arguments, folder = only(outcome)["stdout"].splitlines()
    assert (library, arguments) == ("from the library", "--flag a b")
    assert Path(folder).parent == tmp_path
    assert not Path(folder).exists()


def test_a_folder_that_scripts_cannot_be_copied_to_is_named(
    host: SshMachine, runner: SshRunner, lines: Lines, pack: Path
):
    (pack / "actions").mkdir()
    (pack / "actions" / "s.sh").write_text("true\n")
    job = Job(
        execution=Execution(action="thepack.s", runner="remote-shell-script"),
        action=Action(pack="thepack", name="s", runner_type="remote-shell-script", entry_point="s.sh"),
        pack_path=str(pack),
        runner_parameters={**remote_job(host, "").runner_parameters, "dir": "/no/such"},
        timeout=20,
    )
    assert "cannot be copied to /no/such/" in only(runner.run(job, lines, Stop()))["error"]


def test_the_password_for_sudo_is_skipped_when_sudo_does_not_ask(
    host: SshMachine, runner: SshRunner, lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, asks in (("asks", 'read -r p; [ "$p" = sesame ] || exit 1'), ("lets", ":")):
        program = tmp_path / name / "sudo"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\n{asks}\nwhile [ "$1" != -- ]; do shift; done; shift\nexec "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        outcome = runner.run(
            remote_job(host, "echo as root; cat", sudo=True, sudo_password="sesame"), lines, Stop()
        )
        assert only(outcome)["stdout"] == "as root", (name, outcome)


def test_many_hosts_run_at_once(host: SshMachine, runner: SshRunner, lines: Lines):
    # Each waits until all of them are there.
    count = "touch seen.$$; while [ $(ls seen.* | wc -l) -lt 12 ]; do sleep 0.02; done"
    hosts = ",".join(f"127.0.0.{number}:{host.port}" for number in range(1, 2))
    threads = [
        threading.Thread(
            target=lambda: results.append(
                runner.run(remote_job(host, count, cwd=str(host.folder), hosts=hosts), Lines(), Stop())
            )
        )
        for _ in range(12)
    ]
    results: list[Outcome] = []
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.status for outcome in results] == [Status.SUCCEEDED] * 12


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ("web1", ("web1", 22)),
        ("web1:2222", ("web1", 2222)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
        ("[fe80::1]:7", ("fe80::1", 7)),
        ("::1", ("::1", 22)),
    ],
)
def test_hosts_may_carry_a_port(entry: str, found: tuple[str, int]):
    assert host_port(entry, 22) == found


def test_a_run_without_hosts_says_so(host: SshMachine, runner: SshRunner, lines: Lines):
    outcome = runner.run(remote_job(host, "true", hosts=" , "), lines, Stop())
    assert outcome.reason.startswith("The parameter 'hosts' names no host")
