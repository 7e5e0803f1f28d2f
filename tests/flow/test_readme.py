"""The README's tutorial, done as it says: its files written, its commands run, what it shows compared."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "README.md").read_text().partition("## Tutorial")[2].partition("\n## ")[0]

#: ``Save this as `path`:`` and the block after it.
FILES = re.findall(r"`(my_packs/[^`]+)`:\s+```\w+\n(.*?)```", TUTORIAL, re.DOTALL)
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TUTORIAL, re.DOTALL | re.MULTILINE)
SHELL = [text for language, text in BLOCKS if language == "sh"]
#: What the tutorial says that is shown.
SHOWN = next(text for language, text in BLOCKS if not language)

_SECONDS = 30


class Newcomer:
    """Somebody with a shell in an empty folder, and st-ops on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        # A free port, since the default one may be taken; everything else is as it is for anybody.
        self.env = {
            **kept, "HOME": str(folder / "home"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ST_OPS_SERVER__PORT": "0", "COLUMNS": "200",
        }  # fmt: skip
        (folder / "home").mkdir()

    def types(self, line: str, *, fails: bool = False) -> str:
        """What the command prints. It must succeed, unless it ``fails``."""
        ended = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ended.returncode != 0) is fails, f"{line}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def types_until(self, line: str, enough: Callable[[str], bool]) -> str:
        """The same again and again until what it prints is ``enough``."""
        end, pause = time.monotonic() + _SECONDS, threading.Event()
        while True:
            shown = self.types(line)
            if enough(shown):
                return shown
            assert time.monotonic() < end, f"{line} goes on to show:\n{shown}"
            pause.wait(0.1)


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    return Newcomer(tmp_path)


@pytest.fixture
def platform(newcomer: Newcomer) -> Iterator[Newcomer]:
    """The tutorial until its platform runs."""
    prepare, check, up, *_ = SHELL
    for line in prepare.splitlines():
        if "activate" not in line:  # the path has it already
            newcomer.types(line)
    for name, text in FILES:
        (newcomer.folder / name).write_text(text)
    newcomer.types(check)
    log = newcomer.folder / "up.log"
    with log.open("w") as writing:
        running = subprocess.Popen(
            shlex.split(up), cwd=newcomer.folder, env=newcomer.env, stdout=writing, stderr=writing,
            start_new_session=True,
        )  # fmt: skip
    try:
        _await_ready(newcomer, running, log)
        yield newcomer
        running.send_signal(signal.SIGINT)
        assert running.wait(_SECONDS) == 0, log.read_text()
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def _await_ready(newcomer: Newcomer, running: subprocess.Popen[bytes], log: Path) -> None:
    end, pause = time.monotonic() + _SECONDS, threading.Event()
    while not (newcomer.folder / "home/.st-ops/server.json").exists():
        assert running.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        pause.wait(0.05)


def test_the_tutorial_has_the_files_of_a_pack():
    assert [name.partition("hello/")[2] for name, _text in FILES] == [
        "pack.yaml",
        "actions/greet.py",
        "sensors/visitors.py",
        "rules/greet_visitors.yaml",
    ]


def test_the_tutorial_does_what_it_says(platform: Newcomer):
    card, listing, get = SHELL[3].splitlines()

    platform.types(card)
    platform.types_until(listing, lambda shown: "hello.greet_visitors" in shown and "succeeded" in shown)
    shown = [" ".join(line.split()) for line in platform.types(get).splitlines()]

    assert [line for line in map(_plain, SHOWN.splitlines()) if line not in shown] == []

    run, audit, emit, instances = SHELL[4].splitlines()
    assert "Hello, Ben!" in platform.types(run)
    assert "succeeded" in platform.types(audit)
    platform.types(emit)
    found = platform.types_until(instances, lambda shown: shown.count("processed") == 2)
    event = found.splitlines()[1].split()[0]
    assert "Nobody" in platform.types(f"st-ops rule test hello.greet_visitors {event}", fails=True)

    action = platform.folder / "my_packs/hello/actions/greet.py"
    action.write_text(action.read_text().replace("Hello", "Good day"))
    platform.types_until(run, lambda shown: "Good day, Ben!" in shown)


def test_the_shipped_examples_are_the_tutorials_files_and_their_workflows_run(platform: Newcomer):
    for name, text in FILES:
        if not name.endswith("pack.yaml"):
            shipped = (ROOT / "packs/examples" / name.partition("hello/")[2]).read_text()
            assert _essence(shipped.replace("examples.", "hello.")) == _essence(text), name

    welcomed = platform.types("st-ops run examples.welcome")
    assert "Hello, Ann!" in welcomed
    assert "2 people were greeted." in welcomed
    assert "greeting: Hello, Bo!" in platform.types("st-ops run examples.welcome_chain name=Bo")


def _plain(line: str) -> str:
    return " ".join(line.split())


def _essence(text: str) -> str:
    """``text`` without what differs on purpose: that shipped examples are switched off, and say so."""
    lines = [
        line for line in text.splitlines() if "Switched off" not in line and not line.startswith("enabled:")
    ]
    return "\n".join(lines).replace(", enabled=False", "")
