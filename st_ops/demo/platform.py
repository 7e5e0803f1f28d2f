"""The platform of the demo: started as anybody starts it, reached as anybody reaches it."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml

from st_ops.demo.children import Children, clean_environment

#: What the ``st-ops`` script runs; by module, so that no PATH decides which one.
_ST_OPS = "import sys; from st_ops.cli.main import main; sys.exit(main())"

Found = TypeVar("Found")


class DemoPlatform:
    """``st-ops up`` in a child process with a home of its own, and its API."""

    def __init__(self, children: Children, folder: Path, configs: Mapping[str, Mapping[str, Any]]) -> None:
        """``configs``: pack → its config, written before the start."""
        self.home = folder / "home"
        self._write(configs)
        self._children = children
        self._child = children.start(
            "platform",
            [sys.executable, "-c", _ST_OPS, "up", "--home", str(self.home), "--port", "0"],
            clean_environment(folder),
        )
        self.url = ""
        self.token_file = Path()
        self._http: httpx.Client | None = None

    @property
    def pid(self) -> int:
        """The process id of ``st-ops up``."""
        return self._child.pid

    def await_ready(self) -> None:
        """Return when it takes events. Raises StartFailed."""
        self._children.await_ready("platform", self._child, self._is_ready, 30)

    def get(self, path: str, **query: Any) -> Any:
        """The answer to ``GET /v1<path>``. Raises httpx.HTTPStatusError."""
        assert self._http is not None
        answer = self._http.get(f"/v1{path}", params=query)
        answer.raise_for_status()
        return answer.json()

    def notify(self, notification: Mapping[str, Any]) -> tuple[dict[str, Any], int, float]:
        """Post an Alertmanager notification; the answer, its status code and how many milliseconds it took."""
        assert self._http is not None
        started = time.monotonic()
        answer = self._http.post("/v1/webhooks/alertmanager", json=notification)
        taken = (time.monotonic() - started) * 1000
        answer.raise_for_status()
        return answer.json(), answer.status_code, taken

    def await_execution(self, event: str) -> dict[str, Any]:
        """The execution that a rule made of ``event``. Raises TimeoutError, saying where to look."""

        def look() -> dict[str, Any] | None:
            found = self.get("/executions", trigger_instance=event, parent="null", limit=1)
            return dict(found[0]) if found else None

        return wait_for(look, 10, f"No rule started anything for event {event}; see {self.home}.")

    def close(self) -> None:
        """Let go of the connection; the process is ended by Children."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _write(self, configs: Mapping[str, Mapping[str, Any]]) -> None:
        folder = self.home / "configs"
        folder.mkdir(parents=True, mode=0o700)
        for pack, config in configs.items():
            path = folder / f"{pack}.yaml"
            path.write_text(yaml.safe_dump(dict(config), sort_keys=False))
            path.chmod(0o600)

    def _is_ready(self) -> bool:
        if self._http is None:
            try:
                server = json.loads((self.home / "server.json").read_text())
            except (OSError, ValueError):
                return False
            self.url, self.token_file = server["url"], Path(server["token_file"])
            token = self.token_file.read_text().strip()
            # trust_env off: a proxy of the environment must not stand between the demo and loopback.
            self._http = httpx.Client(
                base_url=self.url, headers={"X-Auth-Token": token}, timeout=10, trust_env=False
            )
        try:
            return self._http.get("/health/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


def wait_for(look: Callable[[], Found | None], seconds: float, otherwise: str) -> Found:
    """Call ``look`` until it finds something. Raises TimeoutError with ``otherwise`` after ``seconds``."""
    end = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > end:
            raise TimeoutError(otherwise)
        pause.wait(0.05)
