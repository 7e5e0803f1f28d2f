"""The SSH runners against a real sshd: what only a real one can show."""

from __future__ import annotations

import hashlib
import stat
import subprocess
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
from st_ops.runners.ssh_copy import SshCopyRunner
from st_ops.runners.ssh_loop import SshLoop
from tests.servers.sshd import Sshd
from tests.unit.runners.running import Lines, is_running, meanwhile
from tests.waiting import eventually

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def options(sshd: Sshd) -> RunnerOptions:
    ssh = SshOptions(known_hosts=str(sshd.known_hosts_path), key=str(sshd.key_path), connect_seconds=5)
    return RunnerOptions(grace_seconds=0.5, ssh=ssh)


@pytest.fixture(scope="module")
def loop(options: RunnerOptions) -> Iterator[SshLoop]:
    loop = SshLoop(options.ssh)
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def runner(options: RunnerOptions, loop: SshLoop) -> SshRunner:
    return SshRunner(options, loop)


@pytest.fixture(scope="module")
def copier(options: RunnerOptions, loop: SshLoop) -> SshCopyRunner:
    return SshCopyRunner(options, loop)


def job(
    sshd: Sshd,
    runner_type: str,
    *,
    hosts: tuple[str, ...] = ("127.0.0.1",),
    timeout: float = 30,
    entry_point: str = "",
    pack: str = "",
    artifacts: str = "",
    limits: dict[str, Any] | None = None,
    **given: Any,
) -> Job:
    return Job(
        execution=Execution(action="t.remote", runner=runner_type),
        action=Action(
            pack="t", name="remote", runner_type=runner_type, entry_point=entry_point, limits=limits or {}
        ),
        pack_path=pack,
        runner_parameters={"hosts": ",".join(hosts), "port": sshd.port, "username": sshd.user, **given},
        artifacts=artifacts,
        timeout=timeout,
    )


def command(sshd: Sshd, cmd: str, **given: Any) -> Job:
    return job(sshd, "remote-shell-cmd", cmd=cmd, **given)


def only(outcome: Outcome) -> dict[str, Any]:
    assert len(outcome.result) == 1, outcome
    (result,) = outcome.result.values()
    return result


# --- commands and scripts ---


def test_a_command_runs_in_its_folder_with_its_environment(sshd: Sshd, runner: SshRunner, lines: Lines):
    work = command(sshd, "pwd; echo $NAME; echo err >&2; exit 4", cwd="/usr", env={"NAME": "it's"})
    outcome = runner.run(work, lines, Stop())

    assert outcome.status is Status.FAILED
    result = only(outcome)
    assert (result["stdout"], result["stderr"], result["return_code"]) == ("/usr\nit's", "err", 4)


def test_a_script_of_the_pack_is_copied_and_run(sshd: Sshd, runner: SshRunner, lines: Lines, tmp_path: Path):
    (tmp_path / "actions" / "lib").mkdir(parents=True)
    (tmp_path / "actions" / "lib" / "part.sh").write_text("echo library\n")
    (tmp_path / "actions" / "s.sh").write_text('. "$(dirname "$0")/lib/part.sh"\ndirname "$0"\n')
    work = job(sshd, "remote-shell-script", entry_point="s.sh", pack=str(tmp_path))

    outcome = runner.run(work, lines, Stop())

    library, folder = only(outcome)["stdout"].splitlines()
    assert library == "library"
    assert not Path(folder).exists()


def test_a_secret_in_the_environment_is_in_no_argument(sshd: Sshd, runner: SshRunner, lines: Lines):
    look = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c sesam[e]"
    outcome = runner.run(command(sshd, f"echo $WORD; {look}", env={"WORD": "sesame"}), lines, Stop())
    assert only(outcome)["stdout"] == "sesame\n0"


def test_a_key_that_ssh_keygen_encrypted_lets_in_with_its_passphrase(
    sshd: Sshd, runner: SshRunner, lines: Lines, tmp_path: Path
):
    key = tmp_path / "key"
    key.write_bytes(sshd.key_path.read_bytes())
    key.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", key], check=True)

    good = runner.run(command(sshd, "echo in", private_key=str(key), passphrase="open sesame"), lines, Stop())
    none = runner.run(command(sshd, "echo in", private_key=str(key)), lines, Stop())
    wrong = runner.run(command(sshd, "echo in", private_key=str(key), passphrase="no"), lines, Stop())

    assert only(good)["stdout"] == "in", good
    assert "is encrypted: give 'passphrase'" in only(none)["error"]
    assert "passphrase" in only(wrong)["error"]


def test_sudo_gets_its_password_on_stdin(sshd: Sshd, runner: SshRunner, lines: Lines, tmp_path: Path):
    # The stand-in is found because a shell that sshd starts reads the .bashrc of its home.
    program = tmp_path / "sudo"
    program.write_text(
        '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift\n'
        'read -r p; [ "$p" = sesame ] || { echo "sudo: 1 incorrect password attempt" >&2; exit 1; }\n'
        'AS=root exec "$@"\n'
    )
    program.chmod(0o755)
    start = sshd.home / ".bashrc"
    start.write_text(f'export PATH="{tmp_path}:$PATH"\n')
    given: dict[str, Any] = {"sudo": True}
    good = runner.run(command(sshd, "echo $AS", sudo_password="sesame", **given), lines, Stop())
    wrong = runner.run(command(sshd, "echo $AS", sudo_password="other", **given), lines, Stop())
    start.unlink()

    assert only(good)["stdout"] == "root", good
    assert wrong.status is Status.FAILED
    assert "1 incorrect password attempt" in only(wrong)["stderr"]


def test_cancel_kills_what_ignores_sigterm_over_there(sshd: Sshd, runner: SshRunner, lines: Lines):
    stop = Stop()
    with meanwhile(lambda: lines.wait_for("pid"), lambda: stop.set("canceled by ann")):
        outcome = runner.run(
            command(sshd, "trap '' TERM; echo pid $$; while :; do sleep 0.1; done"), lines, stop
        )

    assert outcome.status is Status.CANCELED
    pid = int(only(outcome)["stdout"].split()[1])
    eventually(lambda: not is_running(pid))


def test_a_timeout_kills_the_command_with_its_children(sshd: Sshd, runner: SshRunner, lines: Lines):
    outcome = runner.run(command(sshd, "sleep 100 & echo $!; wait", timeout=1), lines, Stop())

    assert outcome.status is Status.TIMEOUT
    pid = int(str(only(outcome)["stdout"]))
    eventually(lambda: not is_running(pid))


def test_a_host_key_that_changed_or_is_unknown_is_refused(
    sshd: Sshd, runner: SshRunner, lines: Lines, tmp_path: Path
):
    key = sshd.key_path.with_suffix(".pub").read_text().split()
    changed = tmp_path / "known_hosts"
    changed.write_text(f"[127.0.0.1]:{sshd.port} {key[0]} {key[1]}\n")
    for known_hosts in (changed, tmp_path / "none"):
        outcome = runner.run(command(sshd, "true", known_hosts=str(known_hosts)), lines, Stop())
        assert "is not known or has changed" in only(outcome)["error"]
        assert str(known_hosts) in only(outcome)["error"]

    pinned = runner.run(command(sshd, "true", host_key_fingerprint=sshd.fingerprint), lines, Stop())
    assert pinned.status is Status.SUCCEEDED
    other = runner.run(command(sshd, "true", host_key_fingerprint="SHA256:other"), lines, Stop())
    assert sshd.fingerprint in only(other)["error"]


def test_a_host_that_does_not_exist_is_named(sshd: Sshd, runner: SshRunner, lines: Lines):
    outcome = runner.run(command(sshd, "true", hosts=("no-such-host.invalid",)), lines, Stop())
    assert outcome.status is Status.FAILED
    assert f"no-such-host.invalid:{sshd.port} cannot be reached: " in only(outcome)["error"]


def test_many_hosts_are_worked_on_at_once_and_may_fail_apart(sshd: Sshd, runner: SshRunner, lines: Lines):
    # Each waits until all are there, which they only are when they run at the same time.
    meet = "d=$HOME/meet; mkdir -p $d; touch $d/$$; while [ $(ls $d | wc -l) -lt 4 ]; do sleep 0.02; done"
    outcome = runner.run(command(sshd, meet, hosts=sshd.hosts), lines, Stop())
    assert outcome.status is Status.SUCCEEDED, outcome
    assert set(outcome.result) == set(sshd.hosts)

    one_fails = 'case "$SSH_CONNECTION" in *"127.0.0.3 "*) exit 5;; esac'
    outcome = runner.run(command(sshd, one_fails, hosts=sshd.hosts), lines, Stop())
    assert outcome.status is Status.FAILED
    assert outcome.reason == "It failed on 127.0.0.3: exit code 5"

    outcome = runner.run(
        command(sshd, one_fails, hosts=sshd.hosts, allow_partial_failure=True), lines, Stop()
    )
    assert outcome.status is Status.SUCCEEDED
    assert outcome.reason == "It failed on 127.0.0.3, which allow_partial_failure permits."


def test_a_host_is_reached_through_a_bastion(sshd: Sshd, runner: SshRunner, lines: Lines):
    work = command(sshd, "echo $SSH_CONNECTION", hosts=("127.0.0.2",), bastion_host=f"127.0.0.1:{sshd.port}")
    outcome = runner.run(work, lines, Stop())
    assert only(outcome)["stdout"].split()[2] == "127.0.0.2", outcome

    closed = command(sshd, "true", hosts=("127.0.0.2:1",), bastion_host=f"127.0.0.1:{sshd.port}")
    error = only(runner.run(closed, lines, Stop()))["error"]
    assert f"cannot be reached through {sshd.user}@127.0.0.1:{sshd.port}" in error


def test_a_connection_that_broke_is_made_again(sshd: Sshd, runner: SshRunner, lines: Lines):
    assert runner.run(command(sshd, "true"), lines, Stop()).status is Status.SUCCEEDED
    sshd.stop(kill=True)
    sshd.start()
    assert only(runner.run(command(sshd, "echo back"), lines, Stop()))["stdout"] == "back"


# --- files up ---


def upload(sshd: Sshd, target: Path | str, **given: Any) -> Job:
    return job(sshd, "remote-upload", target=str(target), **given)


def test_a_file_arrives_whole_with_its_mode_and_is_not_sent_again(
    sshd: Sshd, copier: SshCopyRunner, lines: Lines, tmp_path: Path
):
    content = bytes(range(256)) * 40_000
    source = tmp_path / "app.bin"
    source.write_bytes(content)
    source.chmod(0o750)
    there = tmp_path / "there" / "app.bin"
    there.parent.mkdir()
    work = upload(sshd, there, source=str(source))

    first, second = (copier.run(work, lines, Stop()) for _ in range(2))

    assert first.status is Status.SUCCEEDED, first
    digest = hashlib.sha256(content).hexdigest()
    file = {"path": str(there), "bytes": len(content), "sha256": digest}
    assert only(first) == {
        "succeeded": True, "failed": False, "changed": True, "bytes": len(content),
        "files": [{**file, "changed": True}],
    }  # fmt: skip
    assert only(second)["files"] == [{**file, "changed": False}]
    assert only(second)["changed"] is False
    assert there.read_bytes() == content
    assert stat.S_IMODE(there.stat().st_mode) == 0o750
    assert [path.name for path in there.parent.iterdir()] == ["app.bin"]
    assert lines.text().splitlines()[-1] == f"[127.0.0.1] {there}: unchanged"


def test_text_is_written_with_the_mode_asked_for_and_a_changed_one_again(
    sshd: Sshd, copier: SshCopyRunner, lines: Lines, tmp_path: Path
):
    there = tmp_path / "etc" / "deep" / "app.conf"
    for content, mode, changed in (
        ("ä = 1\n", "0640", True), ("ä = 1\n", "0640", False), ("ä = 1\n", "0600", True), ("b = 2\n", None, True),
    ):  # fmt: skip
        work = upload(sshd, there, content=content, mode=mode, make_folders=True)
        outcome = copier.run(work, lines, Stop())
        assert outcome.status is Status.SUCCEEDED, outcome
        assert only(outcome)["changed"] is changed
        assert there.read_text() == content
    assert stat.S_IMODE(there.stat().st_mode) == 0o600


def test_a_folder_is_copied_with_all_below_it_to_many_hosts(
    sshd: Sshd, copier: SshCopyRunner, lines: Lines, tmp_path: Path
):
    (tmp_path / "files" / "b").mkdir(parents=True)
    for name in ("a.txt", "b/c.txt"):
        (tmp_path / "files" / name).write_text(name)
    # Both are one machine, so that two copies of each file are on their way to the same place.
    work = upload(sshd, tmp_path / "there", source="files", pack=str(tmp_path), hosts=sshd.hosts[:2])

    outcome = copier.run(work, lines, Stop())

    assert outcome.status is Status.SUCCEEDED, outcome
    assert {name: len(result["files"]) for name, result in outcome.result.items()} == {
        "127.0.0.1": 2,
        "127.0.0.2": 2,
    }
    assert (tmp_path / "there" / "b" / "c.txt").read_text() == "b/c.txt"
    assert sorted(path.name for path in (tmp_path / "there").rglob("*")) == ["a.txt", "b", "c.txt"]


def test_what_cannot_be_uploaded_is_told(sshd: Sshd, copier: SshCopyRunner, lines: Lines, tmp_path: Path):
    def reason(**given: Any) -> str:
        outcome = copier.run(upload(sshd, **given), lines, Stop())
        assert outcome.status is Status.FAILED
        return outcome.reason

    assert "There is no file or folder /no/file on the worker" in reason(target="/x", source="/no/file")
    assert "Give either 'source'" in reason(target="/x")
    assert "must be an octal number such as '0644', not 'rw'" in reason(target="/x", content="", mode="rw")
    assert f"/no/folder/x on {sshd.user}@127.0.0.1:{sshd.port}: No such file" in reason(
        target="/no/folder/x", content="x"
    )
    assert "is a folder; 'target' must name the file" in reason(target=str(tmp_path), content="x")


# --- files down ---


def download(sshd: Sshd, source: Path | str, **given: Any) -> Job:
    return job(sshd, "remote-download", source=str(source), **given)


def test_a_file_comes_into_the_artifacts_and_is_not_fetched_again(
    sshd: Sshd, copier: SshCopyRunner, lines: Lines, tmp_path: Path
):
    there = tmp_path / "there.log"
    there.write_text("line\n" * 100_000)
    room = tmp_path / "room"
    work = download(sshd, there, artifacts=str(room))

    first, second = (copier.run(work, lines, Stop()) for _ in range(2))

    assert first.status is Status.SUCCEEDED, first
    assert (room / "there.log").read_text() == there.read_text()
    assert stat.S_IMODE((room / "there.log").stat().st_mode) == 0o600
    assert [only(outcome)["changed"] for outcome in (first, second)] == [True, False]
    assert [path.name for path in room.iterdir()] == ["there.log"]


def test_each_of_several_hosts_has_a_folder_of_its_name(
    sshd: Sshd, copier: SshCopyRunner, lines: Lines, tmp_path: Path
):
    there = tmp_path / "logs"
    (there / "old").mkdir(parents=True)
    (there / "a.log").write_text("a")
    (there / "old" / "b.log").write_text("b")
    work = download(sshd, there, target=str(tmp_path / "here"), hosts=sshd.hosts[:2])

    outcome = copier.run(work, lines, Stop())

    assert outcome.status is Status.SUCCEEDED, outcome
    found = {str(path.relative_to(tmp_path / "here")) for path in (tmp_path / "here").rglob("*.log")}
    assert found == {
        f"{host}/{name}" for host in ("127.0.0.1", "127.0.0.2") for name in ("a.log", "old/b.log")
    }


def test_what_cannot_be_downloaded_is_told(sshd: Sshd, copier: SshCopyRunner, lines: Lines, tmp_path: Path):
    def reason(source: str, **given: Any) -> str:
        outcome = copier.run(download(sshd, source, **given), lines, Stop())
        assert outcome.status is Status.FAILED
        return outcome.reason

    there = tmp_path / "big"
    there.write_bytes(b"x" * 2_000_000)
    here = str(tmp_path / "here")
    assert "'target' must be an absolute path" in reason("/x")
    assert "/no/file on" in reason("/no/file", target=here)
    assert "has 2000000 bytes; at most 1048576 are taken (limits.file_mb)" in reason(
        str(there), target=here, limits={"file_mb": 1}
    )
    assert "(on the worker)" in reason(str(there), target="/proc/no/file")


def test_a_copy_that_is_stopped_leaves_nothing_half_done(
    sshd: Sshd, copier: SshCopyRunner, lines: Lines, tmp_path: Path
):
    there = tmp_path / "there"
    there.mkdir()
    stop = Stop()
    with meanwhile(lambda: eventually(lambda: list(there.iterdir()), 20), lambda: stop.set("canceled")):
        outcome = copier.run(upload(sshd, there / "big", content="x" * 400_000_000), lines, stop)

    assert outcome.status is Status.CANCELED
    assert list(there.iterdir()) == []
