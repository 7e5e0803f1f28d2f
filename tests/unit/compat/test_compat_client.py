"""The small st2client, against a server that answers as the API does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.unit.compat.test_compat_modules import in_pack_process


class Api(BaseHTTPRequestHandler):
    seen: list[tuple[str, str, str | None, Any]]
    answers: dict[tuple[str, str], tuple[int, Any]]

    def _serve(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        self.seen.append((self.command, self.path, self.headers.get("X-Auth-Token"), body))
        status, answer = self.answers.get(
            (self.command, self.path.partition("?")[0]), (404, {"faultstring": "Not here."})
        )
        said = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815  # http.server's names

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[tuple[str, type[Api]]]:
    handler = type("OneApi", (Api,), {"seen": [], "answers": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    thread.join(10)
    server.server_close()


def test_keys_and_executions_are_reached_with_the_runs_token(api):
    url, handler = api
    handler.answers = {
        ("GET", "/v1/keys/a"): (200, {"name": "a", "value": "1"}),
        ("PUT", "/v1/keys/a"): (200, {"name": "a", "value": "2"}),
        ("POST", "/v1/executions"): (201, {"id": "e1", "status": "requested"}),
        ("GET", "/v1/executions"): (200, [{"id": "e1"}]),
    }
    code = f"""
        import os
        os.environ["ST2_API_URL"], os.environ["ST2_AUTH_TOKEN"] = {url!r}, "token-of-the-run"
        from st2client.client import Client
        from st2client.models import KeyValuePair, LiveAction
        client = Client()
        print(client.keys.get_by_name("a").value, client.keys.get_by_name("absent"))
        print(client.keys.update(KeyValuePair(name="a", value="2")).value)
        print(client.liveactions.create(LiveAction(action="core.noop", parameters={{}})).id)
        print([item.id for item in client.executions.query(parent="null", limit=1)])
    """
    done = in_pack_process(code)
    assert done.stdout.split("\n")[:4] == ["1 None", "2", "e1", "['e1']"], done.stderr
    assert {token for _method, _path, token, _body in handler.seen} == {"token-of-the-run"}
    assert handler.seen[-2][3] == {"action": "core.noop", "parameters": {}}


def test_what_the_api_says_reaches_the_action(api):
    url, handler = api
    handler.answers = {("POST", "/v1/executions"): (400, {"faultstring": "There is no action 'x.y'."})}
    code = f"""
        from st2client.client import Client
        from st2client.models.liveaction import LiveAction
        try:
            Client(api_url={url!r}).liveactions.create(LiveAction(action="x.y"))
        except Exception as error:
            print(error)
    """
    assert in_pack_process(code).stdout == "400 There is no action 'x.y'.\n"


def test_an_inquiry_is_answered(api):
    url, handler = api
    handler.answers = {("PUT", "/v1/inquiries/i1"): (200, {"id": "i1", "response": {"continue": True}})}
    code = f"""
        from st2client.client import Client
        print(Client(api_url={url!r}).inquiries.respond("i1", {{"continue": True}}).id)
    """
    assert in_pack_process(code).stdout == "i1\n"
    assert handler.seen[-1][3] == {"id": "i1", "response": {"continue": True}}
