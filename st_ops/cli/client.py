"""The way to the server: where it is, the token, and requests whose failures are sentences."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

from st_ops.cli.failures import Refused, Unreachable

if TYPE_CHECKING:
    import httpx

DEFAULT_HOME = Path("~/.st-ops")

#: Seconds to connect, and to wait for an answer.
_CONNECT_SECONDS, _ANSWER_SECONDS = 5.0, 60.0


class Api(Protocol):
    """What showing an execution needs of a server."""

    def get(self, path: str, **query: Any) -> Any:
        """The JSON answer to ``GET /v1<path>``."""


class Client:
    """Requests to one server. A context manager."""

    def __init__(self, url: str, token: str) -> None:
        import httpx

        self.url = url.rstrip("/")
        # A proxy of the environment must not stand between us and this machine.
        local = httpx.URL(self.url).host in ("127.0.0.1", "localhost", "::1")
        self._http = httpx.Client(
            base_url=self.url + "/v1",
            headers={"X-Auth-Token": token} if token else {},
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            trust_env=not local,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """The JSON answer to a GET. Raises Refused and Unreachable, as all of these do."""
        return self._answer(self.request("GET", path, query=query))

    def text(self, path: str, **query: Any) -> str:
        """The answer to a GET as text."""
        return self.request("GET", path, query=query).text

    def post(self, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON answer to a POST of ``body``."""
        return self._answer(self.request("POST", path, body=body, headers=headers))

    def put(self, path: str, body: Any, **query: Any) -> Any:
        """The JSON answer to a PUT of ``body``."""
        return self._answer(self.request("PUT", path, body=body, query=query))

    def delete(self, path: str, **query: Any) -> Any:
        """The JSON answer to a DELETE; None when it has none."""
        return self._answer(self.request("DELETE", path, query=query))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request; query values that are None are left out. Raises Refused and Unreachable."""
        import httpx

        given = {name: _text(value) for name, value in (query or {}).items() if value is not None}
        content = None if body is None else json.dumps(body)
        sent = {**(headers or {}), **({"Content-Type": "application/json"} if body is not None else {})}
        try:
            answer = self._http.request(method, path, params=given, content=content, headers=sent)
        except httpx.TransportError as exc:
            raise Unreachable(f"The server at {self.url} cannot be reached: {_reason(exc)}") from exc
        self._check(answer)
        return answer

    def events(self, path: str, **query: Any) -> Iterator[tuple[str, Any]]:
        """Server-sent events of ``path`` as (name, data), until the server ends them."""
        import httpx

        wait = httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
        headers = {"Accept": "text/event-stream"}
        try:
            with self._http.stream("GET", path, params=query, headers=headers, timeout=wait) as answer:
                if answer.is_error:
                    answer.read()
                self._check(answer)
                yield from _parse_events(answer.iter_lines())
        except httpx.TransportError as exc:
            raise Unreachable(f"The server at {self.url} cannot be reached: {_reason(exc)}") from exc

    def download(self, path: str, target: IO[bytes], **query: Any) -> None:
        """Write the answer to a GET into ``target``, piece by piece."""
        import httpx

        try:
            with self._http.stream("GET", path, params=query) as answer:
                if answer.is_error:
                    answer.read()
                self._check(answer)
                for piece in answer.iter_bytes():
                    target.write(piece)
        except httpx.TransportError as exc:
            raise Unreachable(f"The server at {self.url} cannot be reached: {_reason(exc)}") from exc

    def _check(self, answer: httpx.Response) -> None:
        if not answer.is_error:
            return
        try:
            message = answer.json()["faultstring"]
        except (ValueError, KeyError, TypeError):
            message = f"{answer.status_code} {answer.reason_phrase} from {answer.url.copy_with(query=None)}"
        if answer.status_code == 401:
            message += " (The CLI reads it from the home folder, or from ST_OPS_TOKEN.)"
        raise Refused(message, answer.status_code)

    def _answer(self, answer: httpx.Response) -> Any:
        return answer.json() if answer.content else None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _reason(failure: Exception) -> str:
    return f"{str(failure) or type(failure).__name__}. Is it running? 'st-ops up' starts one."


def _parse_events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


def connect(home: Path | None = None) -> Client:
    """A client of the server that the options and the environment name.

    ``home`` (given on the command line) comes first, then ``ST_OPS_URL``, then what a running action finds in its
    environment (``ST2_ACTION_API_URL``), then ``ST_OPS_HOME``, then ``~/.st-ops``.
    Raises Unreachable when nothing runs there.
    """
    url = os.environ.get("ST_OPS_URL")
    if home is None and url:
        return Client(url, os.environ.get("ST_OPS_TOKEN", ""))
    if home is None and os.environ.get("ST_OPS_EXECUTION_ID") and os.environ.get("ST2_ACTION_API_URL"):
        return Client(os.environ["ST2_ACTION_API_URL"], os.environ.get("ST2_ACTION_AUTH_TOKEN", ""))
    folder = (home or Path(os.environ.get("ST_OPS_HOME") or DEFAULT_HOME)).expanduser().absolute()
    try:
        server = json.loads((folder / "server.json").read_text())
        token = os.environ.get("ST_OPS_TOKEN") if home is None else None
        return Client(server["url"], token or Path(server["token_file"]).read_text().strip())
    except FileNotFoundError as exc:
        raise Unreachable(
            f"No platform runs on {folder}: there is no {Path(exc.filename or '').name}. 'st-ops up' starts one; "
            "ST_OPS_URL and ST_OPS_TOKEN name another."
        ) from exc
    except (OSError, ValueError, KeyError) as exc:
        raise Unreachable(f"{folder}/server.json does not tell where the server is: {exc}") from exc
