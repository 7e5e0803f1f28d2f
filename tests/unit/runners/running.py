"""What the tests of runners share: jobs, a console that remembers, and a look at what processes are left."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from st_ops.errors import UserError
from st_ops.model.executions import Execution
from st_ops.model.resources import Action
from st_ops.runners.base import Job, Stream


class Lines:
    """A console that remembers what it was told, and tells when something certain was said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self._news = threading.Condition()

    def write(self, stream: Stream, data: str) -> None:
        with self._news:
            self.said.append((stream, data))
            self._news.notify_all()

    def text(self, stream: str = "stdout") -> str:
        return "".join(data for name, data in self.said if name == stream)

    def wait_for(self, text: str, seconds: float = 15) -> None:
        with self._news:
            assert self._news.wait_for(lambda: text in self.text(), seconds), (
                f"{text!r} was not printed: {self.said}"
            )


class KeyValues:
    """The platform's services as far as these tests need them: key-values in a dict, announcements in a list."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.calls: list[tuple[str, Mapping[str, Any]]] = []

    def call(self, job: Job, method: str, arguments: Mapping[str, Any]) -> Any:
        self.calls.append((method, arguments))
        if method == "kv.set":
            self.values[arguments["name"]] = arguments["value"]
            return None
        if method == "kv.get":
            return self.values.get(arguments["name"])
        if method == "announce":
            return None
        raise UserError(f"There is no method {method}.")


@contextlib.contextmanager
def meanwhile(*steps: Callable[[], object]) -> Iterator[None]:
    """Take ``steps`` one after another in a thread while the body runs."""

    def walk() -> None:
        for step in steps:
            step()

    thread = threading.Thread(target=walk)
    thread.start()
    yield
    thread.join()


def shell_job(
    cmd: str = "", *, timeout: float | None = 30, limits: Mapping[str, Any] | None = None, **given: Any
) -> Job:
    return Job(
        execution=Execution(action="core.local", runner="local-shell-cmd"),
        action=Action(pack="core", name="local", runner_type="local-shell-cmd", limits=dict(limits or {})),
        runner_parameters={"cmd": cmd, **given},
        timeout=timeout,
    )


def python_job(
    pack: Path,
    source: str,
    *,
    name: str = "act",
    parameters: Mapping[str, Any] | None = None,
    timeout: float | None = 60,
    limits: Mapping[str, Any] | None = None,
    **more: Any,
) -> Job:
    """A job whose action is a class with ``run``, or whatever ``source`` defines."""
    folder = pack / "actions"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(source)
    return Job(
        execution=Execution(action=f"{pack.name}.{name}", runner="python-script"),
        action=Action(
            pack=pack.name,
            name=name,
            runner_type="python-script",
            entry_point=f"{name}.py",
            limits=dict(limits or {}),
        ),
        pack_path=str(pack),
        parameters=parameters or {},
        timeout=timeout,
        **more,
    )


def action(body: str, head: str = "") -> str:
    """The source of an action whose ``run`` has the lines of ``body``."""
    lines = "\n".join("        " + line for line in body.strip("\n").splitlines())
    return (
        f"import os, sys, time\n{head}\nclass Act:\n"
        "    def __init__(self, config=None, action_service=None):\n"
        "        self.config, self.action_service = config, action_service\n"
        f"    def run(self, **given):\n{lines}\n"
    )


def left_of(job: Job) -> list[str]:
    """The commands of the processes that still carry the execution's id in their environment."""
    wanted = f"ST_OPS_EXECUTION_ID={job.execution.id}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def is_running(pid: int) -> bool:
    """Whether process ``pid`` exists and is more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
