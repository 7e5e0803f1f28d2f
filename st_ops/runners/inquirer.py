"""inquirer: a question to a person. The run stays pending until the question is answered (StackStorm 1.12)."""

from __future__ import annotations

from st_ops.model.executions import Outcome
from st_ops.model.runner_types import RUNNER_TYPES
from st_ops.model.status import Status
from st_ops.runners.base import Console, Job, Stop


class InquirerRunner:
    """Puts the question; who answers it is the API's business."""

    names: tuple[str, ...] = ("inquirer",)
    inline = True

    def run(self, job: Job, console: Console, stop: Stop) -> Outcome:
        """Pending, with ``{schema, route, roles, users, ttl}`` as result; ``ttl`` is in minutes."""
        defaults = {
            name: schema.get("default") for name, schema in RUNNER_TYPES["inquirer"].parameters.items()
        }
        given = {name: job.runner_parameters.get(name) for name in defaults}
        result = {name: defaults[name] if value is None else value for name, value in given.items()}
        return Outcome(status=Status.PENDING, result=result)

    def close(self) -> None:
        """Nothing is held."""
