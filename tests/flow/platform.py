"""The real platform in child processes: started, reached, killed, started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from st_ops.model.executions import Execution
from st_ops.store import executions
from st_ops.store.database import Database, Tx
from tests.servers.process import Guard, clean_environment, free_port
from tests.waiting import eventually

_REPOSITORY = Path(__file__).parents[2]

#: Every stage, each of which may have a process of its own.
STAGES = ("api", "rules", "workflows", "runner", "sensors", "schedules")

OVER = frozenset({"succeeded", "failed", "timeout", "abandoned", "canceled"})

#: Seconds a process has to end when it is asked to.
_STOP_SECONDS = 30

#: Seconds; short enough to wait for, long enough for a loaded machine to extend a lease in time.
_QUICK: dict[str, Any] = {
    "worker": {"lease_seconds": 4.0, "heartbeat_seconds": 0.5, "drain_seconds": 1.0, "grace_seconds": 2.0},
    "bus": {"sweep_seconds": 0.5},
    "sensors": {"enabled": False},
}


class Process:
    """One process of the platform; what it prints is appended to ``log``."""

    def __init__(self, guard: Guard, name: str, home: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = home / f"{name}.log"
        self._guard = guard
        self._environment = {**clean_environment(home), **environment}
        self._child: subprocess.Popen[bytes] | None = None
        self._read_from = 0

    @property
    def started(self) -> bool:
        """Whether it was ever started."""
        return self._child is not None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._child is not None, f"{self.name} was not started"
        return self._child.pid

    def start(self, module: str, arguments: Sequence[str], more: Mapping[str, str]) -> None:
        """Run ``python -m module arguments``."""
        self._read_from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=_REPOSITORY, env={**self._environment, **more}, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._guard.watch(self._child.pid)

    def printed(self) -> str:
        """What it printed since it was started."""
        return self.log.read_bytes()[self._read_from :].decode(errors="replace")

    def said(self, text: str) -> bool:
        """Whether it printed ``text`` since it was started."""
        return text in self.printed()

    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return None if self._child is None else self._child.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)

    def await_end(self) -> int:
        """Its exit code, once it has ended. A process that will not end is killed, and that is a failure."""
        assert self._child is not None
        try:
            return self._child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            raise AssertionError(f"{self.name} did not end within {_STOP_SECONDS} s") from None


class Platform:
    """One platform in ``home``, of the processes ``nodes``: ``up`` for everything, or stages, ``rules,runner-2``.

    What follows a ``-`` only tells nodes of the same stages apart.
    ``settings`` are laid over quick defaults; ``packs`` are folders of packs beside the shipped ones; ``configs``
    are written before the start: pack → its config.
    """

    def __init__(
        self,
        guard: Guard,
        home: Path,
        *,
        nodes: Sequence[str] = ("up",),
        packs: Sequence[Path] = (),
        configs: Mapping[str, Mapping[str, Any]] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        module: str = "tests.flow.launch",
    ) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._module = module
        home.mkdir(parents=True, exist_ok=True)
        for pack, config in (configs or {}).items():
            path = home / "configs" / f"{pack}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(yaml.safe_dump(dict(config)))
        self.settings = _merged(_QUICK, settings or {})
        dirs = [str(folder) for folder in packs]
        server: dict[str, dict[str, Any]] = {"server": {"port": self.port}, "packs": {"dirs": dirs}}
        environment = {"ST_OPS_HOME": str(home), **_variables(_merged(self.settings, server))}
        self.processes = {name: Process(guard, name, home, environment) for name in nodes}
        self.http = httpx.Client(base_url=f"{self.url}/v1", timeout=20, trust_env=False)

    # --- processes ---

    def start(self, *names: str, more: Mapping[str, str] | None = None, wait: bool = True) -> None:
        """Start these processes (all, when none is named) and return when they are ready."""
        for name in names or self.processes:
            arguments = ["up"] if name == "up" else ["serve", *name.partition("-")[0].split(",")]
            self.processes[name].start(self._module, arguments, more or {})
        if wait:
            for name in names or self.processes:
                self.await_ready(name)

    def await_ready(self, name: str) -> None:
        """Return when this process takes part in the work."""
        process = self.processes[name]

        def ready() -> bool:
            code = process.code()
            if code is not None:
                raise RuntimeError(f"{name} ended with code {code} before it was ready:\n{self.log_tail()}")
            return process.said("st-ops is ready on" if _serves_api(name) else "st-ops runs")

        eventually(ready, 40, f"'{name}' to be ready")
        if _serves_api(name):
            self.http.headers["X-Auth-Token"] = (self.home / "admin.token").read_text().strip()

    def kill(self, *names: str) -> None:
        """SIGKILL these processes (all, when none is named) and reap them."""
        self._end(signal.SIGKILL, names)

    def stop(self, *names: str) -> None:
        """Ask these processes (all, when none is named) to end, and wait until they did."""
        self._end(signal.SIGTERM, names)

    def _end(self, number: signal.Signals, names: Sequence[str]) -> None:
        ending = [self.processes[name] for name in names or self.processes if self.processes[name].started]
        for process in ending:
            process.signal(number)
        for process in ending:
            process.await_end()

    def restart(self, *names: str, more: Mapping[str, str] | None = None) -> None:
        """SIGKILL and start again."""
        self.kill(*names)
        self.start(*names, more=more)

    def close(self) -> None:
        """End everything."""
        self.http.close()
        for process in self.processes.values():
            # One that a test froze would not hear the other signal.
            process.signal(signal.SIGCONT)
        self.stop()

    def log_tail(self, lines: int = 60) -> str:
        """What the processes printed last."""
        parts = []
        for process in self.processes.values():
            if process.log.exists():
                text = process.log.read_text(errors="replace").splitlines()[-lines:]
                parts.append("\n".join([f"-- {process.name}", *text]))
        return "\n".join(parts)

    # --- the API ---

    def get(self, path: str, **query: Any) -> Any:
        """The answer to ``GET /v1<path>``. Raises httpx.HTTPStatusError."""
        answer = self.http.get(path, params=query)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """The answer to ``POST /v1<path>`` with a JSON body. Raises httpx.HTTPStatusError."""
        answer = self.http.post(path, json=body, headers=headers)
        answer.raise_for_status()
        return answer.json()

    def run(self, action: str, **parameters: Any) -> str:
        """Request an execution; its id."""
        return str(self.post("/executions", {"action": action, "parameters": parameters})["id"])

    def execution(self, identifier: str) -> dict[str, Any]:
        """One execution."""
        return dict(self.get(f"/executions/{identifier}"))

    def await_status(self, identifier: str, *statuses: str, deadline: float = 30) -> dict[str, Any]:
        """The execution once it is in one of ``statuses`` (any end, when none is given)."""
        wanted = frozenset(statuses) or OVER
        return self.eventually(
            lambda: (found := self.execution(identifier))["status"] in wanted and found,
            deadline,
            f"execution {identifier} to be {' or '.join(sorted(wanted))}",
        )

    def await_execution_of(self, event: str, deadline: float = 20) -> dict[str, Any]:
        """The execution that a rule made of ``event``."""
        found = self.eventually(
            lambda: self.get("/executions", trigger_instance=event, parent="null", limit=2),
            deadline,
            f"an execution for event {event}",
        )
        assert len(found) == 1
        return dict(found[0])

    def children(self, identifier: str) -> list[dict[str, Any]]:
        """The executions of a workflow's tasks, oldest first."""
        found = [dict(entry) for entry in self.get(f"/executions/{identifier}/children")]
        return sorted(found, key=lambda entry: entry["start_timestamp"] or "")

    def audit(self, **query: Any) -> list[dict[str, Any]]:
        """Audit entries, oldest first."""
        return [dict(entry) for entry in self.get("/audit", limit=1000, sort_asc=True, **query)]

    def eventually(self, condition: Callable[[], Any], deadline: float, what: str) -> Any:
        """Wait for ``condition`` while the API may be away."""

        def look() -> Any:
            try:
                return condition()
            except httpx.TransportError as gone:
                raise AssertionError(f"the API is away: {gone}") from gone

        return eventually(look, deadline, what)

    @contextmanager
    def store(self) -> Iterator[Tx]:
        """A look into its store, past the API."""
        database = Database(
            self.settings.get("store", {}).get("url") or f"sqlite:///{self.home / 'st_ops.db'}"
        )
        try:
            with database.read() as tx:
                yield tx
        finally:
            database.close()

    def stored(self, identifier: str) -> Execution:
        """One execution as the store has it."""
        with self.store() as tx:
            found = executions.get(tx, identifier)
        assert found is not None
        return found

    def server(self) -> dict[str, Any]:
        """What server.json says."""
        return dict(json.loads((self.home / "server.json").read_text()))


def _serves_api(node: str) -> bool:
    return node == "up" or "api" in node


def _merged(
    below: Mapping[str, Mapping[str, Any]], above: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    return {name: {**below.get(name, {}), **above.get(name, {})} for name in {**below, **above}}


def _variables(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Settings as the environment has them."""
    return {
        f"ST_OPS_{section}__{name}".upper(): value if isinstance(value, str) else json.dumps(value)
        for section, rows in settings.items()
        for name, value in rows.items()
    }
