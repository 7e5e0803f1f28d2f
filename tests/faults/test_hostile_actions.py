"""Actions that misbehave, each through the whole platform: a final status, a reason that says why, and nothing left."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from st_ops.model.executions import Execution
from st_ops.model.status import Status
from st_ops.store import outputs
from tests.unit.executions.platform import Stages
from tests.waiting import eventually

_MB = 1024 * 1024

#: Every process that an action starts out of its own environment carries this, so that it can be found.
MARK = f"hostile-{os.getpid()}"

_FILES: dict[str, str] = {}


def hostile(name: str, body: str, *, limits: str = "", timeout: int = 60) -> str:
    """An action ``t.<name>`` whose ``run`` has the lines of ``body``; its ref."""
    lines = "\n".join("        " + line for line in body.strip("\n").splitlines())
    _FILES[f"actions/{name}.py"] = (
        "import json, os, signal, subprocess, sys, threading, time\n"
        f"MARK = {MARK!r}\n\n\nclass Act:\n"
        "    def __init__(self, config=None, action_service=None):\n        pass\n\n"
        f"    def run(self, **given):\n{lines}\n"
    )
    _FILES[f"actions/{name}.yaml"] = (
        f"name: {name}\nrunner_type: python-script\nentry_point: {name}.py\n"
        f"parameters:\n  what: {{type: string}}\n  timeout: {{default: {timeout}}}\n"
        + (f"limits: {limits}\n" if limits else "")
    )
    return f"t.{name}"


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    stages = Stages(tmp_path_factory.mktemp("hostile"), _FILES, worker={"output_bytes": 1_000_000})
    assert stages.problems == []
    yield stages
    stages.close()


def run(stages: Stages, action: str, deadline: float = 60, **parameters: Any) -> Execution:
    """Run it to its end. Whatever it was, no process of it is left, and the next action runs."""
    (over,) = stages.ended(stages.ask(action, parameters=parameters), deadline=deadline)
    # A process that has said that it is ending is seen for a moment more.
    eventually(lambda: left_of(over) == [], 2)
    (after,) = stages.ended(stages.ask(HARMLESS))
    assert (after.status, after.result["result"]) == (Status.SUCCEEDED, "unharmed")
    return over


def left_of(execution: Execution) -> list[str]:
    """The commands of processes that carry the execution's id in their environment, or our mark."""
    signs = (f"ST_OPS_EXECUTION_ID={execution.id}".encode(), MARK.encode())
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            text = (folder / "environ").read_bytes() + b"\0" + (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if any(sign in text for sign in signs):
            found.append(text.rpartition(b"\0\0")[2].decode(errors="replace"))
    return found


HARMLESS = hostile("harmless", "return 'unharmed'")


# --- processes ---

FORKS = hostile(
    "forks",
    """
for depth in range(7):
    if os.fork() == 0 and depth % 2:
        os.setsid()
time.sleep(1000)
""",
    timeout=2,
)

MULTIPLIES = hostile(
    "multiplies", "for _ in range(10):\n    os.fork()\ntime.sleep(1000)", limits="{processes: 100}"
)

#: A process that is never caught at rest: each is a child of one that has already ended.
COMET = hostile(
    "comet",
    """
if os.fork() == 0:
    while True:
        os.setsid()
        if os.fork():
            os._exit(0)
return 'gone'
""",
)

DAEMON = hostile(
    "daemon",
    """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 1024)
        os.execve('/bin/sh', ['sh', '-c', 'while :; do sleep 0.1; done', MARK], {'PATH': os.environ['PATH']})
    os._exit(0)
os.wait()
return 'left a daemon'
""",
)

DEAF = hostile(
    "deaf",
    """
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
subprocess.Popen(['setsid', 'sh', '-c', 'trap "" TERM HUP INT; while :; do sleep 0.1; done', MARK])
print('deaf', flush=True)
while True:
    time.sleep(1)
""",
    timeout=1,
)

STOPPED = hostile("stopped", "os.kill(os.getpid(), signal.SIGSTOP)", timeout=1)

PATRICIDE = hostile("patricide", "os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(1000)")


def test_a_tree_of_forks_in_many_sessions_dies_with_its_timeout(stages: Stages):
    over = run(stages, FORKS)
    assert (over.status, over.reason) == (Status.TIMEOUT, "Action failed to complete in 2 seconds")


def test_an_action_that_multiplies_is_killed_with_all_it_became(stages: Stages):
    over = run(stages, MULTIPLIES)
    assert over.status is Status.FAILED
    assert over.reason == "It had more than its 100 processes at once (limits.processes)."


def test_a_process_that_forks_away_for_ever_is_caught(stages: Stages):
    over = run(stages, COMET)
    assert (over.status, over.result["result"]) == (Status.SUCCEEDED, "gone")


def test_a_daemon_without_our_environment_is_killed_when_its_action_ends(stages: Stages):
    over = run(stages, DAEMON)
    assert (over.status, over.result["result"]) == (Status.SUCCEEDED, "left a daemon")


def test_whoever_heeds_no_signal_is_killed_at_its_timeout_and_when_canceled(stages: Stages):
    over = run(stages, DEAF)
    assert (over.status, over.reason) == (Status.TIMEOUT, "Action failed to complete in 1 seconds")

    waiting = stages.ask(DEAF, parameters={"timeout": 60})
    eventually(lambda: printed(stages, waiting) == "deaf\n")
    asked_at = time.monotonic()
    stages.platform.orders.cancel(waiting.id, "ada")
    (over,) = stages.ended(waiting)
    assert over.status is Status.CANCELED
    # Within the five seconds of DESIGN 4; the grace period is one here.
    assert time.monotonic() - asked_at < 5
    assert left_of(over) == []


def test_an_action_that_stops_itself_is_killed_at_its_timeout(stages: Stages):
    assert run(stages, STOPPED).status is Status.TIMEOUT


def test_an_action_that_kills_its_sandbox_has_an_unknown_end(stages: Stages):
    over = run(stages, PATRICIDE)
    assert over.status is Status.ABANDONED
    assert over.reason == (
        "The sandbox of pack t was lost while the action ran: it was killed by SIGKILL. "
        "Whether it took effect is unknown."
    )


# --- resources ---

FILLS = hostile(
    "fills",
    "with open('big', 'wb') as file:\n    while True:\n        file.write(b'x' * 100_000)",
    limits="{file_mb: 5}",
)

HOARDS = hostile(
    "hoards", "hoard = []\nwhile True:\n    hoard.append(bytearray(5_000_000))", limits="{memory_mb: 200}"
)

#: With small things in a global list not even the traceback can be made without more memory.
HOARDS_CRUMBS = hostile(
    "hoards_crumbs",
    "global hoard\nhoard = [None]\nwhile True:\n    hoard = [hoard, object(), str(id(hoard))]",
    limits="{memory_mb: 100}",
)

SPINS = hostile("spins", "while True:\n    pass", limits="{cpu_seconds: 1}")

OPENS = hostile(
    "opens", "kept = []\nwhile True:\n    kept.append(open('/dev/null'))", limits="{open_files: 50}"
)


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (FILLS, "It wrote a file larger than its 5 MB (limits.file_mb)."),
        (HOARDS, "It asked for more than its 200 MB of memory (limits.memory_mb)."),
        (HOARDS_CRUMBS, "It asked for more than its 100 MB of memory (limits.memory_mb)."),
        (SPINS, "It was killed by SIGXCPU: it used more than its 1 s of CPU time (limits.cpu_seconds)."),
        (OPENS, "It opened more than its 50 files at once (limits.open_files)."),
    ],
)
def test_an_action_that_goes_beyond_a_limit_fails_with_its_name(stages: Stages, action: str, reason: str):
    over = run(stages, action)
    assert (over.status, over.reason) == (Status.FAILED, reason)


# --- output and results ---

PRINTS = hostile(
    "prints",
    "line = b'x' * 999 + b'\\n'\nfor _ in range(1000):\n    os.write(1, line * 1000)\nreturn 'printed'",
    timeout=100,
)

LARGE = hostile("large", "return 'x' * 200_000_000")

EXACT = hostile("exact", "return 'x' * 67_000_000")


def test_a_gigabyte_of_output_is_cut_with_a_note_and_held_nowhere(stages: Stages):
    before = resident()
    over = run(stages, PRINTS, deadline=90)
    assert (over.status, over.result["result"]) == (Status.SUCCEEDED, "printed")
    assert len(over.result["stdout"]) < 1_000_200
    assert over.result["stdout"].endswith("[st_ops: output beyond 1000000 bytes was dropped]\n")
    assert printed(stages, over).count("was dropped") == 1
    assert resident() - before < 100 * _MB


def test_a_result_of_200_megabytes_is_refused_with_its_size(stages: Stages):
    before = resident()
    over = run(stages, LARGE)
    assert over.status is Status.FAILED
    assert over.reason == (
        "The result has 200000071 bytes; at most 67108864 are taken. Write it to a file and return its path."
    )
    assert resident() - before < 100 * _MB


STRANGE = {
    "nan": ("return {'a': float('nan'), 'b': float('-inf')}", {"a": None, "b": None}),
    "bytes": ("return b'ab'", "b'ab'"),
    "set": ("return {1}", "{1}"),
    "recursive": ("a = []\na.append(a)\nreturn a", "[[...]]"),
    "deep": ("a = []\nfor _ in range(300):\n    a = [a]\nreturn a", ...),
    "surrogate": ("return 'a\\ud800b'", "a?b"),
    "huge": ("return 2 ** 200", 2.0**200),
    "nul": ("return 'a\\x00b'", "a\0b"),
    "keys": ("return {1: 2, None: 3}", {"1": 2, "null": 3}),
    "tuple_keys": ("return {(1, 2): 3}", "{(1, 2): 3}"),
    "huger": ("return 10 ** 400", ...),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_result_that_json_has_not_is_shown_as_near_as_can_be(stages: Stages, name: str):
    over = run(stages, f"t.returns_{name}")
    assert over.status is Status.SUCCEEDED, over.reason
    expected = STRANGE[name][1]
    assert expected is ... or over.result["result"] == expected


# --- its own surroundings ---

NOTHING_SAID = (
    "The action's process ended without giving a result: it left by os._exit, or closed the descriptor on which a "
    "result is given."
)

SURROUNDINGS: dict[str, tuple[str, Status, str]] = {
    "closes_stdout": ("os.close(1)\nprint('x', flush=True)", Status.FAILED, "OSError: [Errno 9] Bad file descriptor"),
    "closes_all": (
        "os.closerange(0, 4096)\nreturn 1", Status.FAILED, NOTHING_SAID,
    ),
    "exits_from_thread": (
        "threading.Thread(target=os._exit, args=(9,)).start()\ntime.sleep(60)", Status.FAILED,
        "It ended with exit code 9.",
    ),
    "exits_quietly": (
        "threading.Thread(target=os._exit, args=(0,)).start()\ntime.sleep(60)", Status.FAILED, NOTHING_SAID,
    ),
    "leaves_from_thread": (
        "threading.Thread(target=sys.exit, args=(9,)).start()\ntime.sleep(0.1)", Status.SUCCEEDED, "",
    ),
    "deletes_its_folder": (
        "import shutil\nshutil.rmtree(os.getcwd())\nsubprocess.run(['true'])", Status.SUCCEEDED, "",
    ),
    "changes_folder": ("os.chdir('/')", Status.SUCCEEDED, ""),
    "leaves_threads": (
        "for _ in range(50):\n    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
        Status.SUCCEEDED, "",
    ),
    "waits_for_threads": (
        "threading.Thread(target=time.sleep, args=(1000,)).start()", Status.TIMEOUT,
        "Action failed to complete in 2 seconds",
    ),
    "breaks_json": (
        "json.dumps = json.loads = None\njson.JSONEncoder.default = None\njson.encoder.c_make_encoder = None",
        Status.SUCCEEDED, "",
    ),
    "breaks_more_json": (
        "json.JSONEncoder.encode = json.JSONEncoder.iterencode = None", Status.FAILED,
        "The action's result could not be handed over (TypeError: 'NoneType' object is not callable).",
    ),
    "breaks_os": ("os.write = os.close = os.chdir = None", Status.SUCCEEDED, ""),
    "babbles": (
        "os.write(900, b'babble' * 1000)", Status.FAILED,
        "What the action's process said on its channel is no message.",
    ),
    "returns_what_cannot_be_shown": (
        "class Odd:\n    def __repr__(self):\n        raise RuntimeError('no')\nreturn {Odd()}", Status.FAILED,
        "RuntimeError: no",
    ),
    "returns_an_abyss": (
        "a = []\nfor _ in range(200_000):\n    a = [a]\nreturn a", Status.FAILED,
        "RecursionError: maximum recursion depth exceeded while getting the repr of an object",
    ),
    "raises_nul": ("raise ValueError('a\\0b\\ud800c')", Status.FAILED, "ValueError: a\ufffdb\ufffd\ufffd\ufffdc"),
    "raises_a_novel": ("raise ValueError('x' * 50_000_000)", Status.FAILED, f"ValueError: {'x' * 988} […]"),
    "raises_at_exit": ("import atexit\natexit.register(lambda: 1 / 0)", Status.SUCCEEDED, ""),
    "crashes": ("import ctypes\nctypes.string_at(0)", Status.FAILED, "It was killed by SIGSEGV."),
    "kills_itself": (
        "os.kill(os.getpid(), signal.SIGKILL)", Status.FAILED,
        "It was killed by SIGKILL from outside; the kernel does so when memory runs out.",
    ),
}  # fmt: skip

for _name, (_body, _returned) in STRANGE.items():
    hostile(f"returns_{_name}", _body)
for _name, (_body, _status, _reason) in SURROUNDINGS.items():
    hostile(_name, _body, timeout=2 if _status is Status.TIMEOUT else 60)


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_an_action_that_tears_at_its_surroundings_harms_only_itself(stages: Stages, name: str):
    over = run(stages, f"t.{name}")
    assert (over.status, over.reason) == SURROUNDINGS[name][1:]


def resident() -> int:
    """Bytes of memory this process, the platform, has in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def printed(stages: Stages, execution: Execution) -> str:
    """What is stored of its output."""
    with stages.platform.database.read() as tx:
        return "".join(line.data for line in outputs.find(tx, execution.id, limit=100_000))
