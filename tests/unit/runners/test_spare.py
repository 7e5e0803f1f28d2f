"""The child that a sandbox forks ahead of its next job."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from st_ops.runners.base import Stop
from st_ops.runners.python_script import PythonScriptRunner
from st_ops.runners.sandbox import kernel
from st_ops.runners.sandbox.pool import SandboxPool
from tests.unit.runners.running import Lines, action, is_running, python_job
from tests.waiting import eventually


def spare_of(pool: SandboxPool) -> int:
    """The pid of the one child that the one sandbox has in a moment of rest."""
    (kept,) = pool._kept.values()

    def one() -> int:
        children = [pid for pid, (parent, _group) in kernel.parents().items() if parent == kept.sandbox.pid]
        # By its door; a job that has taken its leave is seen for a moment more.
        (spare,) = [pid for pid in children if Path(f"/proc/{pid}/fd/901").is_symlink()] or [0]
        return spare

    return eventually(one, what="the spare child")


def pid_of_run(own_python: PythonScriptRunner, pack: Path, **parameters: str) -> int:
    outcome = own_python.run(
        python_job(pack, action("return os.getpid()"), parameters=parameters), Lines(), Stop()
    )
    pid = outcome.result["result"]
    assert isinstance(pid, int), outcome
    return pid


def test_a_job_after_a_moment_of_rest_is_run_by_a_process_that_was_there(
    own_python: PythonScriptRunner, own_pool: SandboxPool, pack: Path
):
    def was_there() -> bool:
        spare = spare_of(own_pool)
        # One that is not ready yet is left for later.
        return pid_of_run(own_python, pack) == spare

    pid_of_run(own_python, pack)
    eventually(was_there)
    over = pid_of_run(own_python, pack)
    eventually(lambda: not is_running(over), 2)


def test_a_spare_that_was_killed_is_missed_by_nobody(
    own_python: PythonScriptRunner, own_pool: SandboxPool, pack: Path
):
    pid_of_run(own_python, pack)
    spare = spare_of(own_pool)
    os.kill(spare, signal.SIGKILL)

    assert pid_of_run(own_python, pack) != spare
    assert spare_of(own_pool) != spare


def test_a_job_whose_spare_stood_still_is_run_after_all(
    own_python: PythonScriptRunner, own_pool: SandboxPool, pack: Path
):
    pid_of_run(own_python, pack)
    spare = spare_of(own_pool)
    os.kill(spare, signal.SIGSTOP)

    # The timeout ends the spare, which had not begun.
    job = python_job(pack, action("return os.getpid()"), timeout=0.5)
    outcome = own_python.run(job, Lines(), Stop())

    assert outcome.result["result"] not in (spare, "None")
    assert not is_running(spare)


def test_a_spare_holds_nothing_open_and_ends_with_its_sandbox(
    own_python: PythonScriptRunner, own_pool: SandboxPool, pack: Path
):
    pid_of_run(own_python, pack)
    spare = spare_of(own_pool)

    def settled() -> bool:
        return {path.name for path in Path(f"/proc/{spare}/fd").iterdir()} == {"0", "1", "2", "901"}

    eventually(settled, what="nothing but the standard streams and its door")
    (kept,) = own_pool._kept.values()
    os.kill(kept.sandbox.pid, signal.SIGKILL)
    eventually(lambda: not is_running(spare))


def test_what_a_spare_did_before_cannot_be_seen(
    own_python: PythonScriptRunner, own_pool: SandboxPool, pack: Path, lines: Lines
):
    source = action(
        "names = [name for name in logging.Logger.manager.loggerDict if 'ehears' in name]\n"
        "return [names, threading.active_count(), len(os.listdir('/proc/self/fd')), gc.isenabled(), random.random()]",
        "import gc, logging, random, threading",
    )
    seen = []
    for _ in range(3):
        seen.append(own_python.run(python_job(pack, source), lines, Stop()).result["result"])
        spare_of(own_pool)
    assert [entry[:4] for entry in seen] == [[[], 1, 5, True]] * 3
    assert len({entry[4] for entry in seen}) == 3
