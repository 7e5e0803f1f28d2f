from __future__ import annotations

import time
from typing import Any

from http_probe import probe

from st_ops.sdk import ActionFailed, Context, action


@action(idempotent=True, timeout=3600)
def http_check(
    ctx: Context,
    url: str,
    method: str = "GET",
    expect_status: list[int] | None = None,
    contains: str = "",
    request_timeout: float = 5,
    within: float = 0,
    every: float = 2,
    verify_tls: bool = True,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Check that an HTTP endpoint answers as expected, now or within a time.

    Args:
        url: What is requested.
        method: HTTP method.
        expect_status: Status codes that count as up; by default every 2xx and 3xx.
        contains: Text that the answer must hold.
        request_timeout: Seconds after which one try counts as failed.
        within: Try again for so many seconds until it is up; 0 tries once.
        every: Seconds between two tries.
        verify_tls: Check the server's certificate.
        headers: Request headers.
    """
    deadline = time.monotonic() + within
    tries = 0
    while True:
        tries += 1
        answer = probe(
            url,
            method=method,
            timeout=request_timeout,
            expect_status=expect_status,
            contains=contains,
            verify_tls=verify_tls,
            headers=headers,
        )
        facts = {
            "url": url,
            "status_code": answer.status_code,
            "latency_ms": answer.latency_ms,
            "tries": tries,
        }
        if answer.up:
            return {"up": True, **facts}
        ctx.logger.info("Try %d: %s", tries, answer.reason)
        if time.monotonic() + every > deadline:
            raise ActionFailed(answer.reason, {"up": False, "reason": answer.reason, **facts})
        time.sleep(every)
