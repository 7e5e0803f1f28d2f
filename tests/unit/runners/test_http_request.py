from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from st_ops.model.executions import Execution, Outcome
from st_ops.model.resources import Action
from st_ops.model.status import Status
from st_ops.runners.base import Job, Stop
from st_ops.runners.http_guard import Refused, check_redirect
from st_ops.runners.http_request import HttpRunner
from st_ops.runners.options import RunnerOptions
from tests.unit.runners.running import Lines, meanwhile


class Site(BaseHTTPRequestHandler):
    """Answers /status/<n>, /json, /echo, /slow, /redirect?<url>, and breaks /flaky off twice."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, dict[str, str], str]]
    arrived: threading.Event
    release: threading.Event

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.seen.append((self.command, self.path, dict(self.headers), body))
        path, _, query = self.path.partition("?")
        if path == "/slow":
            self.arrived.set()
            self.release.wait(20)
        if path == "/flaky" and len([one for one in self.seen if one[1] == "/flaky"]) < 3:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        code = int(path.split("/")[2]) if path.startswith("/status/") else 302 if path == "/redirect" else 200
        text = (
            json.dumps({"path": self.path})
            if path == "/json"
            else "x" * 5000
            if path == "/large"
            else "plain"
        )
        self.send_response(code)
        self.send_header(
            "Content-Type", "application/json; charset=utf-8" if path == "/json" else "text/plain"
        )
        if path == "/redirect":
            self.send_header("Location", query)
        self.send_header("X-CamelCase", "kept")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 - the base class's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    Site.seen, Site.arrived, Site.release = [], threading.Event(), threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    Site.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


runner = HttpRunner(RunnerOptions(result_bytes=4000))


def ask(
    url: str, parameters: dict[str, Any] | None = None, *, stop: Stop | None = None, **given: Any
) -> Outcome:
    job = Job(
        execution=Execution(action="core.http", runner="http-request"),
        action=Action(pack="core", name="http", runner_type="http-request"),
        runner_parameters={"url": url, **given},
        parameters=parameters or {},
        timeout=10,
    )
    return runner.run(job, Lines(), stop or Stop())


def test_json_is_parsed_by_its_content_type(site: str):
    outcome = ask(f"{site}/json", {"params": {"q": "a b"}})

    assert outcome.status is Status.SUCCEEDED
    assert outcome.result["body"] == {"path": "/json?q=a%20b"} or outcome.result["body"] == {
        "path": "/json?q=a+b"
    }
    assert (outcome.result["parsed"], outcome.result["status_code"]) == (True, 200)
    assert outcome.result["headers"]["X-CamelCase"] == "kept"


def test_other_bodies_are_text(site: str):
    outcome = ask(f"{site}/echo")
    assert (outcome.result["body"], outcome.result["parsed"]) == ("plain", False)


@pytest.mark.parametrize(
    ("code", "status"), [(200, "succeeded"), (206, "succeeded"), (207, "failed"), (404, "failed")]
)
def test_two_hundred_to_two_hundred_six_succeed(site: str, code: int, status: str):
    outcome = ask(f"{site}/status/{code}")
    assert (outcome.status, outcome.result["status_code"]) == (status, code)


def test_the_method_follows_from_the_body(site: str):
    ask(f"{site}/echo")
    ask(f"{site}/echo", {"body": "text"})
    ask(f"{site}/echo", {"body": "text", "method": "put"})
    assert [(command, body) for command, _, _, body in Site.seen] == [
        ("GET", ""),
        ("POST", "text"),
        ("PUT", "text"),
    ]


def test_a_json_body_is_sent_as_json_however_it_is_written(site: str):
    headers = {"Content-Type": "application/json"}
    ask(f"{site}/echo", {"body": {"a": 1}}, headers=headers)
    ask(f"{site}/echo", {"body": '{"a": 1}'}, headers=headers)
    ask(f"{site}/echo", {"body": "{'a': 1}"}, headers=headers)
    assert [json.loads(body) for *_, body in Site.seen] == [{"a": 1}] * 3
    assert ask(f"{site}/echo", {"body": "not json"}, headers=headers).reason.startswith(
        "The body is not JSON"
    )


def test_what_is_asked_for_can_be_traced_to_the_action(site: str):
    ask(f"{site}/echo", username="u", password="p", cookies={"c": "1"}, headers={"X-Own": "yes"})
    sent = {name.lower(): value for name, value in Site.seen[0][2].items()}
    assert sent["x-stanley-action"] == "http"
    assert sent["user-agent"].startswith("st_ops/")
    assert sent["authorization"] == "Basic dTpw"
    assert (sent["cookie"], sent["x-own"]) == ("c=1", "yes")


def test_a_file_is_sent_as_a_form(site: str):
    ask(f"{site}/echo", {"file_name": "f", "file_content": "inside", "file_content_type": "text/csv"})
    command, _path, headers, body = Site.seen[0]
    assert command == "POST"
    assert headers["Content-Type"].startswith("multipart/form-data")
    assert "inside" in body
    assert "text/csv" in body


def test_redirects_are_followed_only_when_allowed(site: str):
    assert ask(f"{site}/redirect?/echo").result["status_code"] == 302
    assert ask(f"{site}/redirect?/echo", allow_redirects=True).result["body"] == "plain"


def test_a_redirect_from_outside_to_an_inner_address_is_refused():
    with pytest.raises(Refused, match="not a public address"):
        check_redirect("http://example.com/", "http://127.0.0.1/secret", allow_private=False)
    with pytest.raises(Refused, match=r"169\.254\.169\.254"):
        check_redirect("http://example.com/", "http://169.254.169.254/latest", allow_private=False)
    check_redirect("http://example.com/", "http://127.0.0.1/secret", allow_private=True)
    check_redirect("http://127.0.0.1/a", "http://127.0.0.1/b", allow_private=False)


def test_a_redirect_to_another_host_takes_no_credentials_and_needs_leave(site: str):
    target = site.replace("127.0.0.1", "localhost")
    outcome = ask(f"{site}/redirect?{target}/echo", allow_redirects=True, username="u", password="p")
    assert "localhost (" in outcome.reason
    assert "Set allow_private_redirects to true" in outcome.reason
    ask(
        f"{site}/redirect?{target}/echo",
        allow_redirects=True, allow_private_redirects=True, username="u", password="p",
    )  # fmt: skip
    assert "Authorization" in Site.seen[0][2]
    assert not {name.lower() for name in Site.seen[-1][2]} & {"authorization"}


def test_host_lists_are_heeded_and_exclude_each_other(site: str):
    assert (
        ask(f"{site}/echo", url_hosts_blacklist=["127.0.0.1"]).reason
        == "The host 127.0.0.1 is on url_hosts_blacklist."
    )
    assert "is not on url_hosts_whitelist" in ask(f"{site}/echo", url_hosts_whitelist=["other"]).reason
    assert ask(f"{site}/echo", url_hosts_whitelist=["127.0.0.1"]).status is Status.SUCCEEDED
    both = ask(f"{site}/echo", url_hosts_whitelist=["a"], url_hosts_blacklist=["b"])
    assert "exclude each other" in both.reason


def test_a_slow_answer_is_a_timeout(site: str):
    outcome = ask(f"{site}/slow", {"timeout": 0.2})
    assert outcome.status is Status.TIMEOUT
    assert outcome.reason == f"{site}/slow did not answer within 0.2 seconds."


def test_cancel_ends_a_request_at_once(site: str):
    stop = Stop()
    with meanwhile(lambda: Site.arrived.wait(10), lambda: stop.set("canceled")):
        outcome = ask(f"{site}/slow", stop=stop)
    assert outcome.status is Status.CANCELED


def test_a_broken_connection_is_tried_again_where_that_does_no_harm(site: str):
    assert ask(f"{site}/flaky").status is Status.SUCCEEDED
    assert len(Site.seen) == 3
    Site.seen.clear()
    assert ask(f"{site}/flaky", {"method": "POST"}).status is Status.FAILED
    assert len(Site.seen) == 1


def test_a_server_that_is_not_there_is_named():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        outcome = ask(f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert outcome.status is Status.FAILED
    assert "no connection could be made" in outcome.reason


def test_an_answer_beyond_the_cap_is_refused(site: str):
    assert "more than 4000 bytes" in ask(f"{site}/large").reason


def test_a_url_that_is_none_is_refused():
    assert "is no URL of a web server" in ask("file:///etc/passwd").reason
