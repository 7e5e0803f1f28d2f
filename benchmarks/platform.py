"""The platform as its users run it: one child process, spoken to over HTTP or over its store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

#: Seconds to wait for the platform to be ready.
_READY_SECONDS = 30.0


class RunningPlatform:
    """``st-ops up`` in a temporary home, with further packs; stopped and removed at the end."""

    def __init__(self, packs: Path | None = None, settings: Mapping[str, str] | None = None) -> None:
        """``packs``: a folder of packs. ``settings``: environment variables ``ST_OPS_…``."""
        self._folder = tempfile.TemporaryDirectory(prefix="st_ops-bench-")
        self.home = Path(self._folder.name)
        command = [str(Path(sys.executable).parent / "st-ops"), "up", "--home", str(self.home), "--port", "0"]
        if packs is not None:
            command += ["--packs", str(packs)]
        environment = {**os.environ, "ST_OPS_LOGS__LEVEL": "warning", **(settings or {})}
        started = time.perf_counter()
        self.log = (self.home / "log").open("w")
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)
        self.url = self._wait()
        #: Seconds from exec to a ready server.
        self.ready_seconds = time.perf_counter() - started
        token = (self.home / "admin.token").read_text().strip()
        self.http = httpx.Client(base_url=self.url + "/v1", headers={"X-Auth-Token": token}, timeout=60)

    def _wait(self) -> str:
        file = self.home / "server.json"
        deadline = time.monotonic() + _READY_SECONDS
        while not file.exists():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"The platform did not start:\n{(self.home / 'log').read_text()}")
            time.sleep(0.005)
        return str(json.loads(file.read_text())["url"])

    def get(self, path: str, **query: Any) -> Any:
        """The JSON answer of a GET."""
        answer = self.http.get(path, params=query)
        answer.raise_for_status()
        return answer.json()

    def run(self, action: str, **parameters: Any) -> str:
        """Request an execution; answers its id."""
        answer = self.http.post("/executions", json={"action": action, "parameters": parameters})
        answer.raise_for_status()
        return str(answer.json()["id"])

    def memory_mb(self) -> float:
        """Resident memory of the platform's process, in MB."""
        return _status_kb(self.process.pid, "VmRSS") / 1024

    def tree_memory_mb(self) -> float:
        """Proportional memory of the platform and all its children, in MB (shared pages counted once)."""
        return sum(_pss_kb(pid) for pid in _tree(self.process.pid)) / 1024

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()
        self._folder.cleanup()


def _status_kb(pid: int, key: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return float(line.split()[1])
    return 0.0


def _pss_kb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0.0)


def _tree(pid: int) -> list[int]:
    found = [pid]
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found += _tree(int(entry.parent.name))
    return found
