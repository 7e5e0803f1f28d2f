"""noop: does nothing, successfully."""

from __future__ import annotations

from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.runners.base import Console, Job, Stop


class NoopRunner:
    """Answers at once."""

    names: tuple[str, ...] = ("noop",)
    inline = True

    def run(self, job: Job, console: Console, stop: Stop) -> Outcome:
        """Succeeded, with an empty result."""
        return Outcome(status=Status.SUCCEEDED, result={})

    def close(self) -> None:
        """Nothing is held."""
