"""Errors as answers: ``{"faultstring": sentence}`` with the status code of the error (StackStorm's form)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from st_ops.api.answers import fault
from st_ops.errors import Conflict, StOpsError, Unavailable
from st_ops.logs import facts

log = logging.getLogger(__name__)


async def on_own_error(request: Request, exc: Exception) -> Response:
    """An error that was raised on purpose."""
    assert isinstance(exc, StOpsError)
    headers = {"Retry-After": str(exc.retry_after)} if isinstance(exc, Unavailable) else {}
    conflict = exc.conflict_id if isinstance(exc, Conflict) else None
    return fault(exc.status_code, str(exc), conflict_id=conflict, headers=headers)


async def on_http_error(request: Request, exc: Exception) -> Response:
    """An error of the framework: no such path, no such method, a body that is not JSON."""
    assert isinstance(exc, HTTPException)
    message = str(exc.detail)
    if exc.status_code == 404:
        message = f"There is nothing at {request.url.path}; /openapi.json lists what there is."
    elif exc.status_code == 405:
        message = f"{request.method} is not possible at {request.url.path}."
    return fault(exc.status_code, message, headers=exc.headers)


async def on_invalid_request(request: Request, exc: Exception) -> Response:
    """A query or body that does not fit its declaration: 400, naming the first thing that is wrong."""
    assert isinstance(exc, RequestValidationError)
    first = exc.errors()[0]
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", "")
        return fault(400, f"The body is not valid JSON: {reason}.")
    place, *names = [str(part) for part in first["loc"]]
    name = ".".join(names) or place
    return fault(400, f"'{name}' in the {place} is not valid: {first['msg']}.")


async def on_bug(request: Request, exc: Exception) -> Response:
    """Anything else is a bug: the traceback goes to the log under the id that the answer names."""
    return bug(request.method, request.url.path, request.scope.get("request_id", ""), exc)


def bug(method: str, path: str, request_id: str, exc: Exception) -> Response:
    """Log an error nobody raised on purpose; the answer that names its request."""
    log.error("A bug answered %s %s.", method, path, exc_info=exc, extra=facts(request_id=request_id))
    return fault(500, f"Internal error; the server's log has the details under request id {request_id}.")


#: Error → what makes an answer of it.
HANDLERS: dict[int | type[Exception], Callable[[Request, Exception], Coroutine[Any, Any, Response]]] = {
    StOpsError: on_own_error,
    HTTPException: on_http_error,
    RequestValidationError: on_invalid_request,
    Exception: on_bug,
}
