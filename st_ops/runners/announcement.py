"""announcement: tells those who listen on the event stream (StackStorm 1.3)."""

from __future__ import annotations

from st_ops.errors import StOpsError
from st_ops.model.executions import Outcome
from st_ops.model.status import Status
from st_ops.runners.base import Console, Job, Services, Stop


class AnnouncementRunner:
    """Hands the action's parameters to the platform as the event ``st2.announcement__<route>``."""

    names: tuple[str, ...] = ("announcement",)
    inline = False

    def __init__(self, services: Services) -> None:
        self._services = services

    def run(self, job: Job, console: Console, stop: Stop) -> Outcome:
        """Succeeded, with what was announced as result."""
        if not job.runner_parameters.get("experimental"):
            return _failed(f"The action {job.action.ref} must set the parameter 'experimental' to true.")
        route = job.runner_parameters.get("route") or "general"
        payload = dict(job.parameters)
        try:
            self._services.call(job, "announce", {"route": route, "payload": payload})
        except StOpsError as error:
            return _failed(f"The announcement could not be made: {error}")
        return Outcome(status=Status.SUCCEEDED, result=payload)

    def close(self) -> None:
        """Nothing is held."""


def _failed(reason: str) -> Outcome:
    return Outcome(status=Status.FAILED, result={"error": reason}, reason=reason)
