"""A Python action's process says that it is about to end, and its worker takes its word: within bounds."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.runners.base import Stop
from st_ops.runners.options import RunnerOptions
from st_ops.runners.python_script import PythonScriptRunner
from st_ops.runners.sandbox.pool import SandboxPool
from tests.unit.runners.running import KeyValues, Lines, action, is_running, python_job
from tests.waiting import eventually


@pytest.fixture
def own_pool(tmp_path: Path) -> Iterator[SandboxPool]:
    pool = SandboxPool(RunnerOptions(work_root=str(tmp_path / "work"), grace_seconds=0.5))
    yield pool
    pool.close()


@pytest.fixture
def runner(own_pool: SandboxPool) -> PythonScriptRunner:
    return PythonScriptRunner(RunnerOptions(), own_pool, KeyValues())


def run(runner: PythonScriptRunner, pack: Path, body: str, **more: Any) -> Outcome:
    return runner.run(
        python_job(pack, action(body, "import os, subprocess, sys, threading, time"), **more), Lines(), Stop()
    )


def _parent(pool: SandboxPool) -> int:
    (kept,) = pool._kept.values()
    return kept.sandbox.pid


#: Runs until there is a file of this name beside it.
_WAIT = "while not os.path.exists({go!r}): time.sleep(0.01)\n"


def _end_while_the_sandbox_stands_still(
    runner: PythonScriptRunner, pool: SandboxPool, pack: Path, body: str, tmp_path: Path
) -> tuple[threading.Thread, list[Outcome]]:
    """Let an action end while its sandbox cannot see it; the thread that waits for it, and what it was told."""
    go, begun, outcomes = tmp_path / "go", tmp_path / "begun", list[Outcome]()
    code = f"open({str(begun)!r}, 'w').close()\n" + _WAIT.format(go=str(go)) + body
    thread = threading.Thread(target=lambda: outcomes.append(run(runner, pack, code)))
    thread.start()
    eventually(begun.exists)
    os.kill(_parent(pool), signal.SIGSTOP)
    go.touch()
    return thread, outcomes


@pytest.mark.parametrize(
    ("body", "status", "result", "code"),
    [
        ("return {'done': True}", Status.SUCCEEDED, {"done": True}, 0),
        ("return False, 'no'", Status.FAILED, "no", 0),
        ("sys.exit(3)", Status.FAILED, "None", 3),
    ],
)
def test_a_run_is_over_before_its_process_is_taken_down(
    runner: PythonScriptRunner, own_pool: SandboxPool, pack: Path, tmp_path: Path,
    body: str, status: Status, result: object, code: int,
) -> None:  # fmt: skip
    thread, outcomes = _end_while_the_sandbox_stands_still(runner, own_pool, pack, body, tmp_path)
    thread.join(20)
    os.kill(_parent(own_pool), signal.SIGCONT)

    (outcome,) = outcomes
    assert (outcome.status, outcome.result["result"], outcome.result["exit_code"]) == (status, result, code)
    assert run(runner, pack, "return 1").result["result"] == 1


@pytest.mark.parametrize(
    "left",
    [
        "subprocess.Popen(['sleep', '60'])\n",
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n",
    ],
    ids=["a process", "a thread"],
)
def test_what_leaves_something_running_is_waited_for(
    runner: PythonScriptRunner, own_pool: SandboxPool, pack: Path, tmp_path: Path, left: str
) -> None:
    thread, outcomes = _end_while_the_sandbox_stands_still(
        runner, own_pool, pack, f"{left}return os.getpid()", tmp_path
    )
    thread.join(0.5)
    assert not outcomes
    os.kill(_parent(own_pool), signal.SIGCONT)
    thread.join(20)
    (outcome,) = outcomes
    assert outcome.status is Status.SUCCEEDED
    assert not is_running(outcome.result["result"])


_SAY = (
    "import struct\n"
    "def say(text):\n"
    "    os.write(900, struct.pack('>I', len(text)) + text)\n"
    "print(os.getpid(), flush=True)\n"
)


def test_who_only_says_that_it_ends_is_killed(runner: PythonScriptRunner, pack: Path) -> None:
    outcome = run(runner, pack, _SAY + 'say(b\'{"type": "left", "code": 0}\')\ntime.sleep(600)')
    pid = int(outcome.result["stdout"])
    assert outcome.status is Status.FAILED
    eventually(lambda: not is_running(pid), 10)
    assert run(runner, pack, "return 1").result["result"] == 1


@pytest.mark.parametrize("code", ["256", "-1", '"0"', "null", "[]"])
def test_a_leave_that_makes_no_sense_is_none(runner: PythonScriptRunner, pack: Path, code: str) -> None:
    said = f'{{"type": "left", "code": {code}}}'
    outcome = run(runner, pack, _SAY + f"say({said.encode()!r})\nreturn 'all'")
    assert (outcome.status, outcome.result["result"]) == (Status.SUCCEEDED, "all")
