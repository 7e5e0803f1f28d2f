from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from st_ops.model.executions import Execution
from st_ops.model.resources import Action
from st_ops.model.status import Status
from st_ops.runners.base import Job, Stop
from st_ops.runners.shell import LocalShellRunner, parsed
from tests.unit.runners.running import Lines, is_running, left_of, meanwhile, shell_job
from tests.waiting import eventually


def test_a_command_that_succeeds_gives_its_output_without_the_last_line_end(
    shell: LocalShellRunner, lines: Lines
):
    outcome = shell.run(shell_job("echo one; echo two; echo three >&2"), lines, Stop())

    assert outcome.status is Status.SUCCEEDED
    assert outcome.result == {
        "succeeded": True, "failed": False, "return_code": 0, "stdout": "one\ntwo", "stderr": "three",
    }  # fmt: skip
    assert lines.text() == "one\ntwo\n"


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ('{"a": [1]}', {"a": [1]}),
        ("[1, 2]", [1, 2]),
        ("42", 42),
        ("{no", "{no"),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_output_that_is_json_is_the_value_it_stands_for(printed: str, value: object):
    assert parsed(printed + "\n") == value


def test_an_exit_code_fails_the_run_and_is_told(shell: LocalShellRunner, lines: Lines):
    outcome = shell.run(shell_job("echo bad >&2; exit 3"), lines, Stop())

    assert outcome.status is Status.FAILED
    assert outcome.result["return_code"] == 3
    assert outcome.reason == "It ended with exit code 3."


def test_a_command_that_another_terminates_is_abandoned(shell: LocalShellRunner, lines: Lines):
    outcome = shell.run(shell_job("kill -TERM $$"), lines, Stop())

    assert (outcome.status, outcome.result["return_code"]) == (Status.ABANDONED, -15)


def test_a_command_that_memory_or_another_kills_says_so(shell: LocalShellRunner, lines: Lines):
    outcome = shell.run(shell_job("kill -KILL $$"), lines, Stop())

    assert outcome.status is Status.FAILED
    assert "killed by SIGKILL" in outcome.result["error"]


def test_the_environment_is_clean_but_for_what_is_allowed_and_given(
    shell: LocalShellRunner, lines: Lines, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "platform's own")
    outcome = shell.run(
        shell_job("env -0 | tr '\\0' '\\n'", env={"GIVEN": "yes", "FLAG": True}), lines, Stop()
    )

    seen = dict(line.split("=", 1) for line in outcome.result["stdout"].splitlines() if "=" in line)
    assert seen["GIVEN"] == "yes"
    assert seen["FLAG"] == "true"
    assert seen["PATH"]
    assert "AWS_SECRET_ACCESS_KEY" not in seen


def test_no_descriptor_of_the_platform_reaches_the_command(
    shell: LocalShellRunner, lines: Lines, tmp_path: Path
):
    with (tmp_path / "open").open("w") as kept:
        os.set_inheritable(kept.fileno(), True)
        outcome = shell.run(shell_job("exec ls /proc/self/fd"), lines, Stop())

    # The three every process has, and the one with which ls reads the folder.
    assert sorted(outcome.result["stdout"].split()) == ["0", "1", "2", "3"]


def test_the_working_directory_is_a_folder_of_its_own_that_is_gone_afterwards(
    shell: LocalShellRunner, lines: Lines, work_root: Path
):
    outcome = shell.run(shell_job("mkdir -p deep/er && touch deep/er/file && pwd"), lines, Stop())

    folder = Path(outcome.result["stdout"])
    assert folder.parent == work_root
    eventually(lambda: not folder.exists())


def test_a_working_directory_that_is_not_there_is_named(shell: LocalShellRunner, lines: Lines):
    outcome = shell.run(shell_job("true", cwd="/no/such/folder"), lines, Stop())

    assert outcome.status is Status.FAILED
    assert (
        outcome.reason
        == "The working directory '/no/such/folder' cannot be entered: No such file or directory."
    )


def test_a_command_that_takes_too_long_is_killed_with_all_it_started(shell: LocalShellRunner, lines: Lines):
    job = shell_job("sleep 100 & setsid sleep 100 & echo started; wait", timeout=0.5)

    outcome = shell.run(job, lines, Stop())

    assert outcome.status is Status.TIMEOUT
    assert outcome.result["return_code"] == -9
    assert outcome.result["error"] == "Action failed to complete in 0.5 seconds"
    assert outcome.result["stdout"] == "started"
    assert left_of(job) == []


def test_cancel_kills_children_that_ignore_sigterm_in_a_session_of_their_own(
    shell: LocalShellRunner, lines: Lines
):
    job = shell_job(
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo deaf; sleep 100; sleep 100' & wait; sleep 100"
    )
    stop = Stop()
    with meanwhile(lambda: lines.wait_for("deaf"), lambda: stop.set("canceled by admin")):
        outcome = shell.run(job, lines, stop)
    assert outcome.status is Status.CANCELED
    assert outcome.reason == "It was stopped: canceled by admin."
    assert left_of(job) == []


def test_sigterm_comes_first_so_that_a_command_can_tidy_up(shell: LocalShellRunner, lines: Lines):
    job = shell_job("trap 'echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    stop = Stop()
    with meanwhile(lambda: lines.wait_for("ready"), lambda: stop.set("canceled")):
        outcome = shell.run(job, lines, stop)
    assert outcome.status is Status.CANCELED
    assert "tidied" in outcome.result["stdout"]


def test_a_daemon_does_not_outlive_its_run(shell: LocalShellRunner, lines: Lines):
    daemon = "setsid sh -c '(setsid env -i sleep 100 & echo $! >pid) & wait' </dev/null >/dev/null 2>&1 & "
    job = shell_job(daemon + "while [ ! -s pid ]; do sleep 0.01; done; cat pid")

    outcome = shell.run(job, lines, Stop())

    assert outcome.status is Status.SUCCEEDED
    assert not is_running(outcome.result["stdout"])
    assert left_of(job) == []


def test_output_beyond_the_cap_is_dropped_with_one_note(shell: LocalShellRunner, lines: Lines):
    outcome = shell.run(shell_job("head -c 50000000 /dev/zero | tr '\\0' 'x'; echo end"), lines, Stop())

    assert outcome.status is Status.SUCCEEDED
    text = outcome.result["stdout"]
    assert len(text) < 210_000
    assert text.count("[st_ops: output beyond 200000 bytes was dropped]") == 1
    assert lines.text().count("was dropped]") == 1


def test_bytes_that_are_no_text_are_shown_as_such(shell: LocalShellRunner, lines: Lines):
    outcome = shell.run(shell_job(r"printf 'a\377b\n'; printf '\303\244'"), lines, Stop())

    assert outcome.result["stdout"] == "a\ufffdb\nä"


def test_a_nul_is_no_text_either(shell: LocalShellRunner, lines: Lines):
    assert shell.run(shell_job(r"printf 'a\000b'"), lines, Stop()).result["stdout"] == "a\ufffdb"


def test_lines_arrive_while_the_command_runs(shell: LocalShellRunner, lines: Lines, tmp_path: Path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def open_gate() -> None:
        lines.wait_for("first\n")
        gate.write_text("go")

    opener = threading.Thread(target=open_gate)
    opener.start()
    outcome = shell.run(shell_job(f"echo first; cat {gate}; echo; echo last"), lines, Stop())

    opener.join()
    assert outcome.result["stdout"] == "first\ngo\nlast"


def test_limits_hold_for_a_command(shell: LocalShellRunner, lines: Lines):
    job = shell_job("head -c 5000000 /dev/zero > big", limits={"file_mb": 1})
    assert shell.run(job, lines, Stop()).status is Status.FAILED

    job = shell_job("while :; do :; done", limits={"cpu_seconds": 1})
    outcome = shell.run(job, lines, Stop())
    assert outcome.reason == (
        "It was killed by SIGXCPU: it used more than its 1 s of CPU time (limits.cpu_seconds)."
    )


def script_job(
    pack: Path, text: str, parameters: dict[str, dict], given: dict, mode: int = 0o755, **runner
) -> Job:
    folder = pack / "actions"
    folder.mkdir()
    (folder / "script.sh").write_text(text)
    (folder / "script.sh").chmod(mode)
    return Job(
        execution=Execution(action="thepack.script", runner="local-shell-script"),
        action=Action(
            pack="thepack",
            name="script",
            runner_type="local-shell-script",
            entry_point="script.sh",
            parameters=parameters,
        ),
        pack_path=str(pack),
        parameters=given,
        runner_parameters=runner,
        timeout=30,
    )


def test_a_script_gets_named_arguments_then_positional_ones(
    shell: LocalShellRunner, lines: Lines, pack: Path
):
    schema = {
        "yes": {"position": 0},
        "list": {"position": 1},
        "object": {"position": 2},
        "none": {"position": 3},
    }
    given = {
        "yes": True, "list": ["a b", "c"], "object": {"k": 1}, "none": None,
        "name": "it's", "flag": True, "off": False, "empty": "", "null": None, "count": 3,
    }  # fmt: skip
    job = script_job(pack, '#!/bin/sh\nfor a in "$@"; do printf "%s\\n" "<$a>"; done\n', schema, given)

    outcome = shell.run(job, lines, Stop())

    assert outcome.result["stdout"].splitlines() == [
        "<--name=it's>", "<--flag>", "<--count=3>", "<1>", "<a b,c>", '<{"k": 1}>', "<>",
    ]  # fmt: skip


def test_the_sign_before_named_arguments_can_be_chosen(shell: LocalShellRunner, lines: Lines, pack: Path):
    job = script_job(pack, '#!/bin/sh\necho "$@"\n', {}, {"name": "x"}, kwarg_op="-")
    assert shell.run(job, lines, Stop()).result["stdout"] == "-name=x"


def test_a_script_needs_neither_the_executable_bit_nor_a_first_line(
    shell: LocalShellRunner, lines: Lines, pack: Path
):
    job = script_job(pack, "echo ran\n", {}, {}, mode=0o644)
    assert shell.run(job, lines, Stop()).result["stdout"] == "ran"


def test_a_script_that_is_not_there_is_named(shell: LocalShellRunner, lines: Lines, pack: Path):
    job = script_job(pack, "", {}, {})
    (pack / "actions" / "script.sh").unlink()

    outcome = shell.run(job, lines, Stop())

    assert outcome.reason == (
        f"The entry point of thepack.script does not exist: expected a file at {pack}/actions/script.sh."
    )


@pytest.fixture
def fake_sudo(tmp_path: Path) -> str:
    """A sudo that wants the password 'sesame', in a folder to put first on the PATH."""
    program = tmp_path / "bin" / "sudo"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/bash\nwhile [ "$1" != -- ]; do [ "$1" = -S ] && asks=1; shift; done; shift\n'
        'if [ -n "$asks" ]; then read -r p; [ "$p" = sesame ] || '
        '{ echo "sudo: 1 incorrect password attempt" >&2; exit 1; }\n'
        'else echo "sudo: a password is required" >&2; exit 1; fi\nexec "$@"\n'
    )
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


def test_the_password_for_sudo_goes_through_stdin_and_nowhere_else(
    shell: LocalShellRunner, lines: Lines, fake_sudo: str
):
    given: dict[str, Any] = {"sudo": True, "sudo_password": "sesame", "env": {"PATH": fake_sudo}}
    outcome = shell.run(
        shell_job("tr '\\0' ' ' </proc/$PPID/cmdline /proc/$$/cmdline; cat", **given), lines, Stop()
    )

    assert outcome.status is Status.SUCCEEDED
    assert "sesame" not in json.dumps(outcome.result)


def test_a_wrong_password_for_sudo_is_said_to_be_one(shell: LocalShellRunner, lines: Lines, fake_sudo: str):
    given: dict[str, Any] = {"sudo": True, "sudo_password": "wrong", "env": {"PATH": fake_sudo}}
    outcome = shell.run(shell_job("true", **given), lines, Stop())

    assert outcome.result["return_code"] == -1
    assert outcome.reason.startswith("sudo did not let us in (1 incorrect password attempt)")


def test_a_stop_that_came_before_the_start_is_heeded(shell: LocalShellRunner, lines: Lines):
    stop = Stop()
    stop.set("canceled")

    assert shell.run(shell_job("sleep 100"), lines, stop).status is Status.CANCELED


def test_many_runs_at_once_do_not_mix(shell: LocalShellRunner):
    def one(number: int) -> None:
        out = Lines()
        results[number] = shell.run(shell_job(f"echo {number}; exit {number % 2}"), out, Stop()).result

    results: dict[int, dict] = {}
    threads = [threading.Thread(target=one, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {number: (result["stdout"], result["return_code"]) for number, result in results.items()} == {
        number: (number, number % 2) for number in range(40)
    }


def test_a_signal_that_python_ignores_works_in_a_command(shell: LocalShellRunner, lines: Lines):
    outcome = shell.run(shell_job(f"kill -{int(signal.SIGPIPE)} $$"), lines, Stop())
    assert outcome.result["return_code"] == -signal.SIGPIPE
