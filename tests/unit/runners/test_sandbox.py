from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from st_ops.model.status import Status
from st_ops.runners.base import Stop
from st_ops.runners.options import RunnerOptions
from st_ops.runners.python_script import PythonScriptRunner
from st_ops.runners.sandbox import preload
from st_ops.runners.sandbox.pool import SandboxPool
from st_ops.runners.shell import LocalShellRunner
from st_ops.runners.strays import end_strays, host_name, own_folder, remove_stray_folders
from tests.unit.runners.running import Lines, action, is_running, python_job, shell_job
from tests.waiting import eventually

#: A worker: runs a command that detaches in every way, and waits for its end, which does not come.
_WORKER = """
import sys
from tests.unit.runners.running import Lines, shell_job
from st_ops.runners.base import Stop
from st_ops.runners.options import RunnerOptions
from st_ops.runners.sandbox.pool import SandboxPool
from st_ops.runners.shell import LocalShellRunner

class Out(Lines):
    def write(self, stream, data):
        print(data, end="", flush=True)

options = RunnerOptions(work_root=sys.argv[1])
pool = SandboxPool(options)
LocalShellRunner(options, pool).run(
    shell_job("(setsid sleep 300 & echo $!) ; echo $$; echo $PPID; sleep 300", timeout=None), Out(), Stop())
"""


def start_worker(tmp_path: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A worker process, and the pids of a detached child, the command, and the sandbox."""
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert worker.stdout is not None
    return worker, [int(worker.stdout.readline()) for _ in range(3)]


def end(worker: subprocess.Popen[str]) -> None:
    assert worker.stdout is not None
    worker.stdout.close()
    worker.wait()


def test_nothing_outlives_a_worker_that_is_killed(tmp_path: Path):
    worker, family = start_worker(tmp_path)
    assert all(is_running(pid) for pid in family)

    worker.kill()

    eventually(lambda: not [pid for pid in family if is_running(pid)])
    assert list(tmp_path.iterdir()) == []
    end(worker)


def test_what_a_worker_killed_with_its_sandbox_left_is_ended_by_the_next(tmp_path: Path):
    worker, (detached, command, sandbox) = start_worker(tmp_path)
    # In this order the sandbox has no moment to act in.
    os.kill(sandbox, signal.SIGSTOP)
    worker.kill()
    end(worker)
    os.kill(sandbox, signal.SIGKILL)
    eventually(lambda: not is_running(command), what="the kernel's signal at the death of the parent")
    assert is_running(detached)

    assert end_strays() >= 1

    eventually(lambda: not is_running(detached))


def test_temporary_folders_of_dead_workers_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    mark = f"{dead.pid}.12345"
    kept = {
        Path(own_folder("work")),
        tmp_path / f"st-ops-work-elsewhere-1-{mark}-x",
        tmp_path / "st-ops-server",
    }
    gone = [tmp_path / f"st-ops-{purpose}-{host_name()}-{mark}-x_1" for purpose in ("work", "container")]
    for folder in (*kept, *gone):
        folder.mkdir(exist_ok=True)

    assert remove_stray_folders() == 2

    assert set(tmp_path.iterdir()) == kept


def test_a_sandbox_that_does_not_answer_is_given_up_after_the_grace_period(
    tmp_path: Path, lines: Lines, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("st_ops.runners.process._WATCH_SECONDS", 0.2)
    options = RunnerOptions(work_root=str(tmp_path), grace_seconds=0.2)
    pool = SandboxPool(options)
    runner = LocalShellRunner(options, pool)
    assert runner.run(shell_job("true"), lines, Stop()).status is Status.SUCCEEDED
    (kept,) = pool._kept.values()
    os.kill(kept.sandbox.pid, signal.SIGSTOP)

    outcome = runner.run(shell_job("echo never", timeout=0.3), lines, Stop())

    # It had not been taken on, so it was run after all, in another sandbox.
    assert outcome.result["stdout"] == "never"
    assert not is_running(kept.sandbox.pid)
    pool.close()


def test_closing_ends_what_runs_and_can_be_repeated(tmp_path: Path, lines: Lines):
    options = RunnerOptions(work_root=str(tmp_path))
    pool = SandboxPool(options)
    runner = LocalShellRunner(options, pool)
    runner.run(shell_job("true"), lines, Stop())
    (kept,) = pool._kept.values()

    pool.close()
    pool.close()

    assert not is_running(kept.sandbox.pid)


def test_modules_that_do_harm_at_import_are_not_imported_ahead(
    tmp_path: Path, lines: Lines, python: PythonScriptRunner, pack: Path, monkeypatch: pytest.MonkeyPatch
):
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    (libraries / "good_one.py").write_text("")
    (libraries / "good_two.py").write_text("")
    (libraries / "raises.py").write_text("raise RuntimeError\n")
    (libraries / "exits.py").write_text("import sys; sys.exit(3)\n")
    (libraries / "opens.py").write_text("import socket; kept = socket.socket()\n")
    names = ["good_one", "raises", "exits", "good_two", "opens", "xml.sax"]

    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from st_ops.runners.sandbox.preload import Trial\n"
        "trial = Trial(sys.argv[2:]); os.waitpid(trial.pid, 0); print(*trial.harmless())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(libraries), *names], capture_output=True, text=True, check=True
    ).stdout

    # After one that leaves a trace nothing more is tried.
    assert said.split() == ["good_one", "good_two"]


@pytest.mark.parametrize(
    "harm",
    [
        "import os; os.kill(os.getpid(), 11)\n",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(9,)).start()\n",
    ],
)
def test_a_module_that_crashes_or_starts_a_thread_at_import_harms_only_the_trial(harm: str, tmp_path: Path):
    (tmp_path / "harmful.py").write_text(harm)
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from st_ops.runners.sandbox.preload import Trial\n"
        "trial = Trial(['harmful']); os.waitpid(trial.pid, 0); print(trial.harmless(), 'harmful' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout
    assert said.split("\n")[0] == "[] False"


def test_imports_are_followed_through_the_packs_own_files(pack: Path):
    library = pack / "actions" / "lib"
    library.mkdir(parents=True)
    (library / "own.py").write_text("import wave\nimport other\n")
    (pack / "lib").mkdir()
    (pack / "lib" / "other.py").write_text("import own\nfrom xml.dom import pulldom\n")
    (pack / "actions" / "act.py").write_text(
        "import own\ntry:\n    import chunk_missing\nexcept ImportError:\n    pass\ndef run():\n    import sunau\n"
    )

    found = preload.imports_of(str(pack / "actions" / "act.py"), str(pack))

    assert set(found) == {"chunk_missing", "wave", "xml.dom"} - set(sys.modules)


def test_the_runs_of_a_pack_share_one_sandbox(python: PythonScriptRunner, lines: Lines, pack: Path):
    job = python_job(pack, action("return os.getppid()"))
    parents = {python.run(job, lines, Stop()).result["result"] for _ in range(5)}
    assert len(parents) == 1
