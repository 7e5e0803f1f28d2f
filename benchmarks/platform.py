"""The platform as its users run it: processes of its own, spoken to over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from benchmarks import processes
from tests.servers.process import free_port

#: Seconds to wait for the platform to be ready, and for a process to end.
_READY_SECONDS = 60.0
_END_SECONDS = 30.0

#: The processes of the production size, the API last: it is ready when they have had time to start.
STAGES = ("runner", "workflows", "rules", "schedules", "sensors", "api")


class RunningPlatform:
    """A platform in a temporary home, with further packs; stopped and removed at the end.

    Embedded (``st-ops up``, SQLite, bus in memory), or with ``engines`` one process for each stage.
    """

    def __init__(
        self,
        packs: Path | None = None,
        engines: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """``packs``: a folder of packs. ``engines``: environment variables that name a store and a bus; ``settings``
        further ones.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="st_ops-bench-")
        self.home = Path(self._folder.name)
        self._port = 0 if engines is None else free_port()
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ST_OPS_")},
            "ST_OPS_LOGS__LEVEL": "warning",
            "ST_OPS_SERVER__PORT": str(self._port),
            **(engines or {}),
            **(settings or {}),
        }
        options = ["--home", str(self.home), *(["--packs", str(packs)] if packs is not None else [])]
        commands = [["up", *options]] if engines is None else [["serve", stage, *options] for stage in STAGES]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        try:
            #: Seconds from exec to a ready server.
            self.ready_seconds = self._start(commands)
        except BaseException:
            self._stop()
            raise
        token = (self.home / "admin.token").read_text().strip()
        self.http = httpx.Client(base_url=self.url + "/v1", headers={"X-Auth-Token": token}, timeout=120)

    def _start(self, commands: Sequence[Sequence[str]]) -> float:
        started = time.perf_counter()
        program = str(Path(sys.executable).parent / "st-ops")
        with (self.home / "log").open("w") as log:
            for command in commands:
                name = command[1] if command[0] == "serve" else command[0]
                self._processes[name] = subprocess.Popen(
                    [program, *command], env=self._environment, stdout=log, stderr=log
                )
        self.url = self._wait()
        return time.perf_counter() - started

    def _wait(self) -> str:
        file = self.home / "server.json"
        deadline = time.monotonic() + _READY_SECONDS
        while not file.exists():
            ended = any(process.poll() is not None for process in self._processes.values())
            if time.monotonic() > deadline or ended:
                raise RuntimeError(f"The platform did not start:\n{(self.home / 'log').read_text()}")
            time.sleep(0.005)
        return str(json.loads(file.read_text())["url"])

    @property
    def pids(self) -> list[int]:
        """Its processes, without what they started."""
        return [process.pid for process in self._processes.values()]

    def get(self, path: str, **query: Any) -> Any:
        """The JSON answer of a GET."""
        answer = self.http.get(path, params=query)
        answer.raise_for_status()
        return answer.json()

    def count(self, **query: Any) -> int:
        """How many executions there are (up to 10,000) that the query describes."""
        answer = self.http.get("/executions", params={**query, "limit": 1, "include_attributes": "id"})
        answer.raise_for_status()
        return int(answer.headers["X-Total-Count"])

    def run(self, action: str, **parameters: Any) -> str:
        """Request an execution; answers its id."""
        answer = self.http.post("/executions", json={"action": action, "parameters": parameters})
        answer.raise_for_status()
        return str(answer.json()["id"])

    def post_many(self, path: str, bodies: Sequence[Any], connections: int) -> dict[str, Any]:
        """POST ``bodies`` from a process of its own; answers rate (a second), p50_ms, p99_ms, preparing (s)."""
        token = (self.home / "admin.token").read_text().strip()
        asked = {"url": f"{self.url}/v1{path}", "token": token, "bodies": bodies, "connections": connections,
                 "at": time.time()}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.http_load"],
            input=json.dumps(asked), capture_output=True, text=True, check=True,
        )  # fmt: skip
        answer: dict[str, Any] = json.loads(done.stdout)
        bad = {status: number for status, number in answer["statuses"].items() if not status.startswith("2")}
        if bad:
            raise RuntimeError(f"Not every request was accepted: {bad}")
        return answer

    def memory_mb(self) -> float:
        """Resident memory of the platform's processes, in MB."""
        return processes.resident_mb(self.pids)

    def tree_memory_mb(self) -> float:
        """Proportional memory of the platform and all its children, in MB."""
        return processes.proportional_mb(self.pids)

    def cpu_seconds(self) -> float:
        """CPU time that the platform and all its children used so far."""
        return processes.cpu_seconds(self.pids)

    def _stop(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        self._stop()
