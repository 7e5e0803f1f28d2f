"""The demo as ``make demo`` runs it: a program, its output and its exit code, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.waiting import eventually

#: Seconds the demo may take on a busy machine; alone it takes well under 30.
LIMIT = 90

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Start]:
    """Starts the demo with its temporary folders in ``tmp_path``."""
    started: list[subprocess.Popen[str]] = []

    def start(**environment: str) -> subprocess.Popen[str]:
        known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        with (tmp_path / "demo.out").open("w") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "st_ops.demo"],
                env={**known, "TMPDIR": str(tmp_path), "LANG": "C.UTF-8", **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.wait()


@pytest.fixture
def output(tmp_path: Path) -> Callable[[], str]:
    """What the demo has printed by now."""
    return (tmp_path / "demo.out").read_text


def processes_in(folder: Path) -> list[int]:
    """The processes that work in a folder of the demo."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if entry.readlink().is_relative_to(folder):
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def folders_in(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if entry.is_dir()]


@pytest.mark.slow
def test_the_main_job_is_done_and_undone_and_nothing_is_left(
    demo: Start, output: Callable[[], str], tmp_path: Path
):
    # Proxies and keys of the environment must not matter: nothing but loopback is asked.
    nowhere = "http://nowhere.invalid:1"
    code = demo(HTTP_PROXY=nowhere, HTTPS_PROXY=nowhere, AWS_PROFILE="none", AWS_ENDPOINT_URL=nowhere).wait(
        LIMIT
    )

    text = output()
    assert code == 0, text
    for task in ("create_machine", "provision_over_ssh", "wait_until_healthy", "terminate_machine"):
        assert task in text
    assert "known already and dropped" in text
    assert "no instance, no record, no target" in text
    assert processes_in(tmp_path) == []
    assert folders_in(tmp_path) == []


@pytest.mark.slow
def test_a_demo_that_is_kept_says_where_it_is_and_ends_when_told(
    demo: Start, output: Callable[[], str], tmp_path: Path
):
    child = demo(KEEP="1")
    eventually(lambda: "stop it" in output(), LIMIT, "the last line of a kept demo")
    assert "http://127.0.0.1:" in output()
    assert processes_in(tmp_path)

    child.send_signal(signal.SIGTERM)

    assert child.wait(30) == 0
    assert processes_in(tmp_path) == []
    assert folders_in(tmp_path) == []


@pytest.mark.slow
def test_nothing_survives_a_demo_that_is_killed(demo: Start, output: Callable[[], str], tmp_path: Path):
    child = demo(KEEP="1")
    eventually(lambda: "ready" in output(), LIMIT, "the platform of the demo")

    child.kill()

    eventually(lambda: not processes_in(tmp_path), 30, "the end of the demo's children")
