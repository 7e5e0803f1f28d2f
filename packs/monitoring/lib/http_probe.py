"""One check of an HTTP endpoint."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

#: Bytes of an answer that are looked through for a text.
LOOKED_THROUGH = 1_048_576


@dataclass(frozen=True)
class Answer:
    """How a check went. ``reason`` is a sentence when it is not ``up``; ``status_code`` 0 when nothing answered."""

    up: bool
    latency_ms: float
    status_code: int = 0
    reason: str = ""


def probe(
    url: str,
    *,
    method: str = "GET",
    timeout: float = 5,
    expect_status: list[int] | None = None,
    contains: str = "",
    verify_tls: bool = True,
    headers: Mapping[str, str] | None = None,
    **_more: Any,
) -> Answer:
    """Request ``url`` and compare the answer with what is expected. Never raises for what the endpoint does."""
    started = time.monotonic()
    status, reason = 0, ""
    try:
        # trust_env off: a proxy of this machine's environment must not answer for the endpoint.
        with (
            httpx.Client(timeout=timeout, verify=verify_tls, trust_env=False) as client,
            client.stream(method, url, headers=dict(headers or {})) as response,
        ):
            status = response.status_code
            body = _read(response, started + timeout) if contains else ""
        reason = _fault(status, expect_status, contains, body)
    except httpx.TimeoutException:
        reason = f"{url} did not answer within {timeout:g} s."
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        reason = f"{url} could not be reached: {error or type(error).__name__}"
    return Answer(not reason, round((time.monotonic() - started) * 1000, 1), status, reason)


def _read(response: httpx.Response, deadline: float) -> str:
    taken = bytearray()
    for piece in response.iter_bytes():
        taken += piece
        if len(taken) >= LOOKED_THROUGH:
            break
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the answer did not end in time")
    return taken.decode(response.encoding or "utf-8", "replace")


def _fault(status: int, expect_status: list[int] | None, contains: str, body: str) -> str:
    if expect_status:
        if status not in expect_status:
            return f"Answered {status}, expected {' or '.join(map(str, expect_status))}."
    elif not 200 <= status < 400:
        return f"Answered {status}, expected 2xx or 3xx."
    if contains and contains not in body:
        return f"The answer does not contain '{contains}'."
    return ""
