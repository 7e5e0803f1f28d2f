from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.runners.base import Job, Stop
from st_ops.runners.options import RunnerOptions
from st_ops.runners.python_script import PythonScriptRunner
from st_ops.runners.sandbox.pool import SHARED, SandboxPool
from tests.unit.runners.running import KeyValues, Lines, action, is_running, left_of, meanwhile, python_job
from tests.waiting import eventually


def test_an_action_gets_parameters_and_config_and_gives_a_result(
    python: PythonScriptRunner, lines: Lines, pack: Path
):
    source = action("print('working')\nreturn {'got': given, 'region': self.config['region']}")
    job = python_job(pack, source, parameters={"a": [1, None]}, config={"region": "tokyo"})

    outcome = python.run(job, lines, Stop())

    assert outcome.status is Status.SUCCEEDED
    assert outcome.result == {
        "result": {"got": {"a": [1, None]}, "region": "tokyo"}, "exit_code": 0, "stdout": "working\n", "stderr": "",
    }  # fmt: skip
    assert lines.text() == "working\n"


@pytest.mark.parametrize(
    ("returned", "status", "result", "code"),
    [
        ("(True, 7)", Status.SUCCEEDED, 7, 0),
        ("(False, 'no')", Status.FAILED, "no", 0),
        ("('odd', 1)", Status.FAILED, "None", 220),
        ("None", Status.SUCCEEDED, None, 0),
    ],
)
def test_a_tuple_of_two_is_status_and_result(
    python: PythonScriptRunner,
    lines: Lines,
    pack: Path,
    returned: str,
    status: Status,
    result: object,
    code: int,
):
    outcome = python.run(python_job(pack, action(f"return {returned}")), lines, Stop())
    assert (outcome.status, outcome.result["result"], outcome.result["exit_code"]) == (status, result, code)


def test_an_exception_fails_the_run_with_its_traceback(python: PythonScriptRunner, lines: Lines, pack: Path):
    outcome = python.run(python_job(pack, action("raise KeyError('gone')")), lines, Stop())

    assert outcome.status is Status.FAILED
    assert (outcome.result["exit_code"], outcome.result["result"]) == (1, "None")
    assert "KeyError: 'gone'" in outcome.result["stderr"]
    assert "act.py" in outcome.result["stderr"]


def test_a_result_that_is_not_json_is_told_as_text(python: PythonScriptRunner, lines: Lines, pack: Path):
    outcome = python.run(python_job(pack, action("return {'at': complex(1, 2), 'set': {1}}")), lines, Stop())

    assert outcome.status is Status.SUCCEEDED
    assert "1+2j" in str(outcome.result["result"])


def test_an_os_exit_is_an_exit_code_without_a_result(python: PythonScriptRunner, lines: Lines, pack: Path):
    outcome = python.run(python_job(pack, action("os._exit(4)")), lines, Stop())
    assert (outcome.status, outcome.result["exit_code"]) == (Status.FAILED, 4)

    outcome = python.run(python_job(pack, action("os._exit(0)")), lines, Stop())
    assert outcome.status is Status.FAILED
    assert outcome.reason.startswith(
        "The action's process ended without giving a result: it left by os._exit, "
    )


def test_an_exit_out_of_a_thread_ends_the_run(python: PythonScriptRunner, lines: Lines, pack: Path):
    source = action(
        "threading.Thread(target=os._exit, args=(9,)).start()\ntime.sleep(60)", "import threading"
    )
    outcome = python.run(python_job(pack, source), lines, Stop())
    assert (outcome.status, outcome.result["exit_code"]) == (Status.FAILED, 9)


def test_threads_that_are_no_daemons_are_waited_for(python: PythonScriptRunner, lines: Lines, pack: Path):
    source = action(
        "threading.Timer(0.2, lambda: print('late')).start()\nreturn 'early'", "import threading, atexit"
    )
    outcome = python.run(python_job(pack, source), lines, Stop())
    assert (outcome.result["result"], outcome.result["stdout"]) == ("early", "late\n")


def test_closed_descriptors_fail_only_the_run_that_closed_them(
    python: PythonScriptRunner, lines: Lines, pack: Path
):
    outcome = python.run(python_job(pack, action("os.close(1)\nprint('x')\nreturn 1")), lines, Stop())
    assert outcome.status is Status.FAILED
    assert "Bad file descriptor" in outcome.result["stderr"]

    outcome = python.run(python_job(pack, action("os.closerange(0, 800)\nreturn 'kept'")), lines, Stop())
    assert outcome.result["result"] == "kept"

    outcome = python.run(python_job(pack, action("os.closerange(0, 1024)\nreturn 'lost'")), lines, Stop())
    assert outcome.status is Status.FAILED
    assert outcome.reason.startswith(
        "The action's process ended without giving a result: it left by os._exit, "
    )


def test_a_result_beyond_the_cap_is_refused_with_its_size(
    python: PythonScriptRunner, lines: Lines, pack: Path
):
    outcome = python.run(python_job(pack, action("return 'x' * 50_000_000")), lines, Stop())

    assert outcome.status is Status.FAILED
    assert outcome.reason.startswith("The result has 500")
    assert "at most 1000000 are taken" in outcome.reason


def test_memory_without_bound_meets_the_limit(python: PythonScriptRunner, lines: Lines, pack: Path):
    source = action("hoard = []\nwhile True:\n    hoard.append(bytearray(8_000_000))")
    outcome = python.run(python_job(pack, source, limits={"memory_mb": 200}), lines, Stop())

    assert outcome.status is Status.FAILED
    assert "MemoryError" in outcome.result["stderr"]


def test_the_disk_quota_meets_the_limit(python: PythonScriptRunner, lines: Lines, pack: Path):
    source = action("with open('big', 'wb') as f:\n    while True: f.write(b'x' * 100_000)")
    outcome = python.run(python_job(pack, source, limits={"file_mb": 1}), lines, Stop())

    assert outcome.status is Status.FAILED
    assert "File too large" in outcome.result["stderr"]


def test_a_timeout_ends_an_action_that_ignores_sigterm(python: PythonScriptRunner, lines: Lines, pack: Path):
    source = action("signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(100)", "import signal")
    job = python_job(pack, source, timeout=0.5)

    outcome = python.run(job, lines, Stop())

    assert outcome.status is Status.TIMEOUT
    assert outcome.result["error"] == "Action failed to complete in 0.5 seconds"
    assert outcome.result["exit_code"] == -9


_FAMILY = action(
    """
import subprocess
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print('daemon', os.getpid(), flush=True)
        time.sleep(100)
    os._exit(0)
os.wait()
child = subprocess.Popen(['setsid', 'sleep', '100'], start_new_session=True)
print('child', child.pid, flush=True)
if given.get('wait'):
    time.sleep(100)
return 'done'
""",
    "import signal",
)


def pids_in(text: str) -> list[int]:
    return [int(line.split()[1]) for line in text.splitlines()]


def test_cancel_kills_grandchildren_that_detached(python: PythonScriptRunner, lines: Lines, pack: Path):
    job = python_job(pack, _FAMILY, parameters={"wait": True})
    stop = Stop()
    with meanwhile(lambda: lines.wait_for("child"), lambda: stop.set("canceled")):
        outcome = python.run(job, lines, stop)
    assert outcome.status is Status.CANCELED
    family = pids_in(outcome.result["stdout"])
    assert len(family) == 2
    assert not [pid for pid in family if is_running(pid)]
    assert left_of(job) == []


def test_what_an_action_left_behind_is_gone_before_the_run_is_over(
    python: PythonScriptRunner, lines: Lines, pack: Path
):
    job = python_job(pack, _FAMILY)

    outcome = python.run(job, lines, Stop())

    assert outcome.status is Status.SUCCEEDED
    assert not [pid for pid in pids_in(outcome.result["stdout"]) if is_running(pid)]
    assert left_of(job) == []


def test_key_values_make_the_round_trip(
    python: PythonScriptRunner, key_values: KeyValues, lines: Lines, pack: Path
):
    source = action(
        "self.action_service.set_value('seen', 'it')\nreturn self.action_service.get_value('seen')"
    )

    outcome = python.run(python_job(pack, source), lines, Stop())

    assert outcome.result["result"] == "it", outcome.result["stderr"]
    assert "thepack.Act:seen" in key_values.values


def test_a_call_the_platform_refuses_is_an_exception_with_its_sentence(
    python: PythonScriptRunner, lines: Lines, pack: Path
):
    outcome = python.run(python_job(pack, action("self.action_service.list_values()")), lines, Stop())

    assert outcome.status is Status.FAILED
    assert "There is no method kv.list." in outcome.result["stderr"]


def test_a_call_with_a_large_value_does_not_block(
    python: PythonScriptRunner, key_values: KeyValues, lines: Lines, pack: Path
):
    source = action(
        "self.action_service.set_value('big', 'x' * 900_000)\nreturn len(self.action_service.get_value('big'))"
    )
    outcome = python.run(python_job(pack, source), lines, Stop())
    assert outcome.result["result"] == 900_000


def test_large_parameters_arrive(python: PythonScriptRunner, lines: Lines, pack: Path):
    job = python_job(pack, action("return len(given['text'])"), parameters={"text": "x" * 5_000_000})
    assert python.run(job, lines, Stop()).result["result"] == 5_000_000


def test_runs_share_no_globals_no_folder_and_no_random_numbers(
    python: PythonScriptRunner, lines: Lines, pack: Path
):
    source = action(
        "global count\ncount += 1\nopen('mark', 'x').close()\n"
        "return [count, random.random(), os.getcwd(), os.getpid()]",
        "import random\ncount = 0",
    )
    first, second = (python.run(python_job(pack, source), lines, Stop()).result["result"] for _ in range(2))

    assert first[0] == second[0] == 1
    assert first[1] != second[1]
    assert first[2] != second[2]
    assert not Path(first[2]).exists()
    assert first[3] != second[3]


def test_a_module_level_look_at_the_environment_sees_the_runs_own(
    python: PythonScriptRunner, lines: Lines, pack: Path
):
    source = action("return TOKEN", "TOKEN = os.environ['ST2_ACTION_AUTH_TOKEN']")
    for token in ("one", "two"):
        job = python_job(pack, source, environment={"ST2_ACTION_AUTH_TOKEN": token})
        assert python.run(job, lines, Stop()).result["result"] == token


def test_pythonpath_cannot_be_overridden(python: PythonScriptRunner, lines: Lines, pack: Path):
    job = python_job(
        pack,
        action("return [os.environ.get('PYTHONPATH'), os.environ.get('MINE')]"),
        runner_parameters={"env": {"PYTHONPATH": "/tmp", "MINE": "yes"}},
    )
    assert python.run(job, lines, Stop()).result["result"] == [None, "yes"]


def test_an_action_has_no_descriptor_but_its_own(python: PythonScriptRunner, lines: Lines, pack: Path):
    outcome = python.run(
        python_job(pack, action("return sorted(map(int, os.listdir('/proc/self/fd')))")), lines, Stop()
    )
    # stdin, stdout, stderr, the channel, and the one that listdir opens.
    assert len(outcome.result["result"]) == 5


def test_a_changed_file_and_a_changed_library_are_what_runs_next(
    python: PythonScriptRunner, lines: Lines, pack: Path
):
    library = pack / "actions" / "lib" / "helper_of_test.py"
    library.parent.mkdir(parents=True)
    seen = []
    for version in ("one", "two!"):
        library.write_text(f"VALUE = {version!r}\n")
        source = action(f"return ['{version}', helper_of_test.VALUE]", "import helper_of_test")
        seen.append(python.run(python_job(pack, source), lines, Stop()).result["result"])

    assert seen == [["one", "one"], ["two!", "two!"]]


def sandbox_of(pool: SandboxPool, pack: str) -> int:
    return next(kept.sandbox.pid for (_python, name), kept in pool._kept.items() if name == pack)


def test_libraries_are_imported_ahead_but_not_those_that_do_harm(
    python: PythonScriptRunner, pool: SandboxPool, lines: Lines, pack: Path, monkeypatch: pytest.MonkeyPatch
):
    # xml.dom.minidom is the library; the others are of the pack, or fail.
    (pack / "actions" / "lib").mkdir(parents=True)
    (pack / "actions" / "lib" / "helper_own.py").write_text("import xml.dom.minidom\n")
    head = "pre = 'xml.dom.minidom' in sys.modules, 'helper_own' in sys.modules\nimport helper_own\n"
    head += "try:\n    import no_such_module\nexcept ImportError:\n    pass"
    source = action("return list(pre)", head)

    def warm() -> bool:
        return python.run(python_job(pack, source), lines, Stop()).result["result"] == [True, False]

    eventually(warm, what="the library imported ahead, the pack's own module not")


def test_a_pack_that_must_not_be_preloaded_runs_all_the_same(
    python: PythonScriptRunner, pool: SandboxPool, lines: Lines, pack: Path
):
    job = python_job(pack, action("return 'ran'"), preload=False)

    assert python.run(job, lines, Stop()).result["result"] == "ran"
    assert SHARED in {name for _python, name in pool._kept}


def test_a_sandbox_killed_mid_run_fails_its_runs_leaves_nothing_and_is_replaced(
    runner_options: RunnerOptions, key_values: KeyValues, lines: Lines, pack: Path
):
    pool = SandboxPool(runner_options)
    runner = PythonScriptRunner(runner_options, pool, key_values)
    job = python_job(pack, _FAMILY, parameters={"wait": True})
    box: list[Outcome] = []
    worker = threading.Thread(target=lambda: box.append(runner.run(job, lines, Stop())))
    worker.start()
    lines.wait_for("child")

    os.kill(sandbox_of(pool, "thepack"), signal.SIGKILL)

    worker.join(20)
    assert (box[0].status, box[0].lost) == (Status.FAILED, True)
    assert box[0].reason == (
        "The sandbox of pack thepack was lost while the action ran: it was killed by SIGKILL."
    )
    eventually(lambda: not [pid for pid in pids_in(lines.text()) if is_running(pid)])
    assert (
        runner.run(python_job(pack, action("return 'again'"), name="b"), lines, Stop()).result["result"]
        == "again"
    )
    pool.close()


def test_a_sandbox_that_died_between_runs_is_replaced_unnoticed(
    python: PythonScriptRunner, pool: SandboxPool, lines: Lines, pack: Path
):
    python.run(python_job(pack, action("return 1")), lines, Stop())
    os.kill(sandbox_of(pool, "thepack"), signal.SIGKILL)

    outcome = python.run(python_job(pack, action("return 2")), lines, Stop())

    assert outcome.result["result"] == 2


def test_sandboxes_give_way_when_there_are_too_many_and_end_when_idle(
    work_root: Path, lines: Lines, tmp_path: Path
):
    options = RunnerOptions(work_root=str(work_root), sandboxes=2, sandbox_idle_seconds=0.2)
    pool = SandboxPool(options)
    runner = PythonScriptRunner(options, pool, KeyValues())
    jobs: list[Job] = []
    for name in ("one", "two", "three"):
        jobs.append(python_job(tmp_path / name, action("return 1")))
        assert runner.run(jobs[-1], lines, Stop()).status is Status.SUCCEEDED
    kept = [one.sandbox for one in pool._kept.values()]
    assert len(kept) == 2

    eventually(lambda: not any(sandbox.alive for sandbox in kept))

    assert runner.run(jobs[-1], lines, Stop()).status is Status.SUCCEEDED
    pool.close()


def test_an_interpreter_that_is_not_there_is_named(python: PythonScriptRunner, lines: Lines, pack: Path):
    outcome = python.run(python_job(pack, action("return 1"), python="/no/bin/python"), lines, Stop())

    assert outcome.status is Status.FAILED
    assert outcome.reason.startswith("The interpreter /no/bin/python cannot be used:")


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_packs_run_under_other_versions_of_python(
    python: PythonScriptRunner, lines: Lines, pack: Path, version: str
):
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    if not found:
        return  # this machine has no such interpreter
    source = action("return '%d.%d' % sys.version_info[:2]")
    outcome = python.run(python_job(pack, source, python=str(found[0])), lines, Stop())
    assert outcome.result["result"] == version, outcome.result
