"""How a command ends: its exit codes, and the errors that are the user's to mend.

0 success · 1 what was asked failed (the execution, the check, the request) · 2 wrong usage ·
3 the server cannot be reached · 4 not over yet, or time is up · 5 no such run · 130 interrupted (what was watched
goes on). 4 and 5 are said by ``execution wait`` and ``execution status`` only.
"""

from __future__ import annotations

from st_ops.errors import UserError

OK, FAILED, USAGE, UNREACHABLE, UNFINISHED, NO_SUCH_RUN, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


class Unreachable(UserError):
    """Raised when no server answers where one should be."""


class Refused(UserError):
    """Raised when the server refuses a request; the message is the server's sentence."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class WrongUsage(UserError):
    """Raised when arguments contradict one another in a way that only the command can tell."""


def exit_code_of(failure: UserError) -> int:
    """The exit code that tells ``failure`` to scripts."""
    if isinstance(failure, Unreachable):
        return UNREACHABLE
    return USAGE if isinstance(failure, WrongUsage) else FAILED
