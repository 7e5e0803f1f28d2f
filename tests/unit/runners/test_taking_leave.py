"""A Python action's process says that it is about to end, and its worker takes its word: within bounds."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.runners.base import Stop
from st_ops.runners.python_script import PythonScriptRunner
from st_ops.runners.sandbox.pool import SandboxPool
from tests.unit.runners.running import Lines, action, is_running, python_job
from tests.waiting import eventually


def run(own_python: PythonScriptRunner, pack: Path, body: str, **more: Any) -> Outcome:
    return own_python.run(
        python_job(pack, action(body, "import os, subprocess, sys, threading, time"), **more), Lines(), Stop()
    )


def _parent(pool: SandboxPool) -> int:
    (kept,) = pool._kept.values()
    return kept.sandbox.pid


#: Runs until there is a file of this name beside it.
_WAIT = "while not os.path.exists({go!r}): time.sleep(0.01)\n"


def _end_while_the_sandbox_stands_still(
    own_python: PythonScriptRunner, pool: SandboxPool, pack: Path, body: str, tmp_path: Path
) -> tuple[threading.Thread, list[Outcome]]:
    """Let an action end while its sandbox cannot see it; the thread that waits for it, and what it was told."""
    go, begun, outcomes = tmp_path / "go", tmp_path / "begun", list[Outcome]()
    code = (
        f"with open({str(begun)!r}, 'w') as file: file.write(str(os.getpid()))\n"
        + _WAIT.format(go=str(go))
        + body
    )
    thread = threading.Thread(target=lambda: outcomes.append(run(own_python, pack, code)))
    thread.start()
    eventually(lambda: begun.exists() and begun.read_text())
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
    own_python: PythonScriptRunner, own_pool: SandboxPool, pack: Path, tmp_path: Path,
    body: str, status: Status, result: object, code: int,
) -> None:  # fmt: skip
    thread, outcomes = _end_while_the_sandbox_stands_still(own_python, own_pool, pack, body, tmp_path)
    thread.join(20)
    os.kill(_parent(own_pool), signal.SIGCONT)

    (outcome,) = outcomes
    assert (outcome.status, outcome.result["result"], outcome.result["exit_code"]) == (status, result, code)
    assert run(own_python, pack, "return 1").result["result"] == 1


@pytest.mark.parametrize(
    "left",
    [
        "subprocess.Popen(['sleep', '60'])\n",
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n",
    ],
    ids=["a process", "a thread"],
)
def test_what_leaves_something_running_is_waited_for(
    own_python: PythonScriptRunner, own_pool: SandboxPool, pack: Path, tmp_path: Path, left: str
) -> None:
    thread, outcomes = _end_while_the_sandbox_stands_still(
        own_python, own_pool, pack, f"{left}return os.getpid()", tmp_path
    )
    pid = int((tmp_path / "begun").read_text())
    # It is over, and has said all that it will say.
    eventually(lambda: not is_running(pid))
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


def test_who_only_says_that_it_ends_is_killed(own_python: PythonScriptRunner, pack: Path) -> None:
    outcome = run(own_python, pack, _SAY + 'say(b\'{"type": "left", "code": 0}\')\ntime.sleep(600)')
    pid = int(outcome.result["stdout"])
    assert outcome.status is Status.FAILED
    eventually(lambda: not is_running(pid), 10)
    assert run(own_python, pack, "return 1").result["result"] == 1


@pytest.mark.parametrize("code", ["256", "-1", '"0"', "null", "[]"])
def test_a_leave_that_makes_no_sense_is_none(own_python: PythonScriptRunner, pack: Path, code: str) -> None:
    said = f'{{"type": "left", "code": {code}}}'
    outcome = run(own_python, pack, _SAY + f"say({said.encode()!r})\nreturn 'all'")
    assert (outcome.status, outcome.result["result"]) == (Status.SUCCEEDED, "all")
