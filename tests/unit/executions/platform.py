"""The stages that run actions, in this process, on a store of their own, with a pack written by the test."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from st_ops.executions.requests import Request
from st_ops.model.executions import Execution
from st_ops.model.status import Status
from st_ops.services import Platform
from st_ops.settings import load
from st_ops.store import audit, executions, workers
from tests.waiting import eventually

_PACK = "name: t\nref: t\nversion: 1.0.0\ndescription: Test\nauthor: t\nemail: t@localhost\n"


class Stages:
    """Runner, workflows and rules, open; ``files`` are written below a pack called ``t``."""

    def __init__(self, home: Path, files: Mapping[str, str], **settings: Any) -> None:
        self.pack = home / "packs" / "t"
        for name, text in {"pack.yaml": _PACK, **files}.items():
            path = self.pack / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        given = {
            "home": home / "home",
            "store": {"synchronous": "normal"},
            "bus": {"sweep_seconds": 0.1},
            "packs": {"dirs": [str(home / "packs")]},
            **settings,
            "worker": {"drain_seconds": 0.05, "grace_seconds": 1, **settings.get("worker", {})},
        }
        self.platform = Platform(load(given), ("runner", "workflows", "rules"))
        self.platform.open()
        self.problems = self.platform.registrar.reload()["problems"]
        self.platform.catalog.current()

    def close(self) -> None:
        """Stop everything."""
        self.platform.close()

    def drain(self, wanted: bool = True) -> None:
        """Let the worker take nothing (or something again), as each of its heartbeats learns from the store."""
        worker = self.platform.worker
        assert worker is not None
        with self.platform.database.write() as tx:
            workers.set_draining(tx, worker.membership.id, wanted)
        eventually(lambda: worker.membership.draining is wanted, 20, "a heartbeat")

    def ask(self, action: str, **fields: Any) -> Execution:
        """Request an execution."""
        return self.platform.requests.request(Request(action=action, user="ada", **fields))[0]

    def get(self, identifier: str) -> Execution:
        """An execution as it stands."""
        with self.platform.database.read() as tx:
            found = executions.get(tx, identifier)
        assert found is not None
        return found

    def ended(self, *entries: Execution, deadline: float = 20) -> list[Execution]:
        """These executions once they are over."""
        for entry in entries:
            eventually(partial(self._is_over, entry.id), deadline, f"the end of {entry.id}")
        return [self.get(entry.id) for entry in entries]

    def _is_over(self, identifier: str) -> bool:
        return self.get(identifier).status.terminal

    def reached(self, entry: Execution, *statuses: Status) -> Execution:
        """The execution once it is in one of these statuses."""
        eventually(lambda: self.get(entry.id).status in statuses, 20, f"{entry.id} to be {statuses}")
        return self.get(entry.id)

    def verbs(self, entry: Execution) -> list[str]:
        """What the audit log says of it, in order."""
        with self.platform.database.read() as tx:
            return [line.verb for line in audit.find(tx, subject_id=entry.id, newest_first=False)]
