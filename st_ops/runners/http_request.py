"""http-request: one HTTP request (StackStorm 1.3)."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import functools
import json
import ssl
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

import httpx

from st_ops import __version__
from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.runners.base import Console, Job, Stop
from st_ops.runners.http_guard import Refused, check_lists, check_redirect
from st_ops.runners.options import RunnerOptions
from st_ops.runners.text import loads

#: Seconds, when neither the action nor the runner says.
_TIMEOUT = 60.0

#: Methods that may be sent again when the connection failed: twice does the same as once.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
_TRIES = 3
_PAUSE = 0.2
_REDIRECTS = 10
_CHUNK = 65536


class HttpRunner:
    """Makes requests, each on an event loop of its thread's, so that stop and timeout end it wherever it is."""

    names: tuple[str, ...] = ("http-request",)
    inline = False

    def __init__(self, options: RunnerOptions) -> None:
        self._options = options

    def run(self, job: Job, console: Console, stop: Stop) -> Outcome:
        """See ``base.Runner.run``; the result is ``{status_code, body, parsed, headers}``, 200 to 206 succeed."""
        asked = job.parameters.get("timeout")
        timeout = float(asked if asked is not None else job.timeout or _TIMEOUT)
        try:
            result = asyncio.run(self._watched(job, timeout, stop))
        except (httpx.TimeoutException, TimeoutError):
            reason = f"{job.runner_parameters.get('url')} did not answer within {timeout:g} seconds."
            return Outcome(status=Status.TIMEOUT, result={"error": reason}, reason=reason)
        except (Refused, ValueError) as error:
            return _failed(str(error))
        except httpx.HTTPError as error:
            return _failed(f"{job.runner_parameters.get('url')}: {_plain(error)}")
        if result is None:
            return Outcome(status=Status.CANCELED, result={}, reason=f"It was stopped: {stop.reason}.")
        code = result["status_code"]
        if 200 <= code <= 206:
            return Outcome(status=Status.SUCCEEDED, result=result)
        return Outcome(status=Status.FAILED, result=result, reason=f"The server answered with status {code}.")

    def close(self) -> None:
        """Nothing is held."""

    async def _watched(self, job: Job, seconds: float, stop: Stop) -> dict[str, Any] | None:
        """The result, or None when stopped. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(self._request(job, seconds))

        def cancel() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the request is over
                loop.call_soon_threadsafe(task.cancel)

        stop.on_set(cancel)
        try:
            return await asyncio.wait_for(task, seconds)
        except asyncio.CancelledError:
            if stop.is_set():
                return None
            raise

    async def _request(self, job: Job, seconds: float) -> dict[str, Any]:
        given, wanted = job.runner_parameters, job.parameters
        blacklist, whitelist = given.get("url_hosts_blacklist") or (), given.get("url_hosts_whitelist") or ()
        url = str(given.get("url") or "")
        check_lists(url, blacklist, whitelist)
        async with _client(given, seconds) as client:
            request = client.build_request(**_built(job, url))
            host = request.url.host
            for _hop in range(_REDIRECTS + 1):
                # Credentials are for the host they were given for, not for one it redirects to.
                auth = _auth(given, wanted) if request.url.host == host else None
                response, body = await self._send(client, request, auth)
                if response.next_request is None or not given.get("allow_redirects"):
                    return _result(response, body)
                target = urljoin(str(request.url), str(response.next_request.url))
                check_lists(target, blacklist, whitelist)
                await asyncio.to_thread(
                    check_redirect, str(request.url), target, bool(given.get("allow_private_redirects"))
                )
                request = response.next_request
        raise ValueError(f"{url} redirects more than {_REDIRECTS} times.")

    async def _send(
        self, client: httpx.AsyncClient, request: httpx.Request, auth: Any
    ) -> tuple[httpx.Response, bytes]:
        """The response and its body; tried again after a failed connection when the method allows that."""
        tries = _TRIES if request.method in _IDEMPOTENT else 1
        for attempt in range(1, tries + 1):
            try:
                response = await client.send(request, stream=True, auth=auth)
            except httpx.TransportError as error:
                # No connection, no request: that may be repeated whatever the method.
                unsent = isinstance(error, httpx.ConnectError)
                if isinstance(error, httpx.TimeoutException) or attempt >= (_TRIES if unsent else tries):
                    raise
                await asyncio.sleep(_PAUSE * attempt)
            else:
                return response, await self._read(response)
        raise AssertionError("the last attempt returns or raises")

    async def _read(self, response: httpx.Response) -> bytes:
        """The body, up to the largest result. Raises ValueError beyond it."""
        body = bytearray()
        limit = self._options.result_bytes
        try:
            async for chunk in response.aiter_bytes(_CHUNK):
                body += chunk
                if len(body) > limit:
                    raise ValueError(
                        f"{response.url} answers with more than {limit} bytes, the limit of a result."
                    )
        finally:
            await response.aclose()
        return bytes(body)


def _client(given: Mapping[str, Any], timeout: float) -> httpx.AsyncClient:
    verify = _tls(given.get("verify_ssl_cert") is not False)
    proxies = {
        f"{scheme}://": httpx.AsyncHTTPTransport(proxy=proxy, verify=verify)
        for scheme, proxy in _proxies(given).items()
    }
    cookies = {str(name): str(value) for name, value in (given.get("cookies") or {}).items()}
    # trust_env would also take credentials from ~/.netrc.
    return httpx.AsyncClient(verify=verify, timeout=timeout, mounts=proxies, trust_env=False, cookies=cookies)


@functools.cache
def _tls(verify: bool) -> ssl.SSLContext:
    """Made once: reading the authorities takes 20 ms."""
    return httpx.create_ssl_context(verify=verify)


def _proxies(given: Mapping[str, Any]) -> dict[str, str]:
    """The proxies asked for, else those of the platform's environment (unless no_proxy names the host)."""
    asked = {scheme: given[f"{scheme}_proxy"] for scheme in ("http", "https") if given.get(f"{scheme}_proxy")}
    host = httpx.URL(given["url"]).host
    if asked or host in ("localhost", "127.0.0.1", "::1") or urllib.request.proxy_bypass(host):
        return asked
    return {
        scheme: proxy for scheme, proxy in urllib.request.getproxies().items() if scheme in ("http", "https")
    }


def _built(job: Job, url: str) -> dict[str, Any]:
    """What ``build_request`` needs. A body that headers call JSON is sent as JSON, whatever its type here."""
    wanted = job.parameters
    headers = {str(name): str(value) for name, value in (job.runner_parameters.get("headers") or {}).items()}
    headers["User-Agent"] = f"st_ops/{__version__}"
    headers["X-Stanley-Action"] = job.action.name
    body, files = wanted.get("body"), _files(wanted)
    kinds = {
        value.partition(";")[0].strip() for name, value in headers.items() if name.lower() == "content-type"
    }
    if "application/json" in kinds and body not in (None, ""):
        body = json.dumps(_cast(body))
    elif isinstance(body, dict | list):
        body = json.dumps(body)
    method = str(wanted.get("method") or ("POST" if body or files else "GET")).upper()
    built = {
        "method": method,
        "url": url,
        "headers": headers,
        "params": wanted.get("params") or None,
        "files": files,
    }
    if files is None and body not in (None, ""):
        built["content"] = str(body).encode()
    return built


def _files(wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    name, content, kind = wanted.get("file_name"), wanted.get("file_content"), wanted.get("file_content_type")
    if not (name and content):
        return None
    return {
        str(name): (str(name), str(content).encode(), kind) if kind else (str(name), str(content).encode())
    }


def _cast(body: object) -> object:
    """A JSON body given as text: JSON, or a Python literal as StackStorm allows. Raises ValueError."""
    if not isinstance(body, str):
        return body
    try:
        return loads(body)
    except ValueError:
        try:
            return ast.literal_eval(body)
        except (ValueError, SyntaxError):
            raise ValueError("The body is not JSON, although the Content-Type header says so.") from None


def _auth(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> Any:
    if given.get("username") or given.get("password"):
        return httpx.BasicAuth(given.get("username") or "", given.get("password") or "")
    auth = wanted.get("auth")
    if isinstance(auth, dict) and auth.get("username"):
        return httpx.BasicAuth(auth["username"], auth.get("password") or "")
    if isinstance(auth, list | tuple) and len(auth) == 2:
        return httpx.BasicAuth(str(auth[0]), str(auth[1]))
    return None


def _result(response: httpx.Response, content: bytes) -> dict[str, Any]:
    body: Any = content.decode(response.charset_encoding or "utf-8", "replace")
    parsed = False
    if response.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
        with contextlib.suppress(ValueError):
            body, parsed = loads(body), True
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers.raw:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return {"status_code": response.status_code, "body": body, "parsed": parsed, "headers": headers}


def _plain(error: httpx.HTTPError) -> str:
    text = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectError):
        return f"no connection could be made ({text})."
    return f"the request failed ({text})."


def _failed(reason: str) -> Outcome:
    return Outcome(status=Status.FAILED, result={"error": reason}, reason=reason)
