"""Every error st_ops raises on purpose, under one root.

A message is a sentence the reader can act on: what, where (file, line, key), what was expected.
"""

from __future__ import annotations


class StOpsError(Exception):
    """Root of every error that st_ops raises on purpose."""

    #: HTTP status the API answers with when this error reaches a route.
    status_code = 500


class UserError(StOpsError):
    """Raised when what the caller asked for cannot be done as asked; shown without a traceback."""

    status_code = 400


class InvalidInput(UserError):
    """Raised when a value breaks its schema; ``where`` names the parameter or key."""

    def __init__(self, message: str, *, where: str | None = None) -> None:
        super().__init__(message)
        self.where = where


class Unauthorized(UserError):
    """Raised when a request carries no valid token."""

    status_code = 401


class Forbidden(UserError):
    """Raised when the caller is known but may not do this."""

    status_code = 403


class NotFound(UserError):
    """Raised when the named thing does not exist."""

    status_code = 404

    def __init__(self, kind: str, ref: str, hint: str = "") -> None:
        super().__init__(f"There is no {kind} '{ref}'." + (f" {hint}" if hint else ""))
        self.kind = kind
        self.ref = ref


class Conflict(UserError):
    """Raised when the thing is in a state that forbids the request; ``conflict_id`` names it."""

    status_code = 409

    def __init__(self, message: str, *, conflict_id: str | None = None) -> None:
        super().__init__(message)
        self.conflict_id = conflict_id


class TooLarge(UserError):
    """Raised when a body exceeds its size limit."""

    status_code = 413


class IllegalMove(Conflict):
    """Raised when an execution is asked to take a status that cannot follow its present one."""

    def __init__(self, execution_id: str, current: str, wanted: str) -> None:
        super().__init__(
            f"Execution {execution_id} is {current}; it cannot become {wanted}.",
            conflict_id=execution_id,
        )
        self.current = current
        self.wanted = wanted


class StaleToken(StOpsError):
    """Raised when a worker reports with a fencing token that is no longer the current one."""

    status_code = 409


class ExpressionError(StOpsError):
    """Raised when a template cannot be parsed or evaluated; the message names the expression."""

    status_code = 400


class PackError(UserError):
    """Raised when a pack or one of its files cannot be used; carries file, line and key."""

    def __init__(self, message: str, *, path: str, line: int | None = None, key: str | None = None) -> None:
        where = path if line is None else f"{path}:{line}"
        super().__init__(f"{where}: " + (f"{key}: " if key else "") + message)
        self.message = message
        self.path = path
        self.line = line
        self.key = key


class Unavailable(StOpsError):
    """Raised when a dependency (store, bus) does not answer; callers retry after ``retry_after`` seconds."""

    status_code = 503

    def __init__(self, dependency: str, reason: str, retry_after: int = 5) -> None:
        super().__init__(f"The {dependency} is not available: {reason}")
        self.dependency = dependency
        self.retry_after = retry_after


class AlreadyRunning(UserError):
    """Raised when a second platform is started on a home that a live one holds."""

    status_code = 409
