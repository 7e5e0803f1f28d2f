"""What people order of executions that there are: cancel, pause, resume, and how one of unknown outcome ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from st_ops.bus.interface import Bus
from st_ops.errors import IllegalMove, InvalidInput, NotFound
from st_ops.executions.lifecycle import Bells, Lifecycle
from st_ops.model.executions import WORKFLOW_QUEUE, Execution
from st_ops.model.status import Status
from st_ops.store import executions
from st_ops.store.database import Database
from st_ops.store.executions import Move, cancel_moves


class Orders:
    """Moves executions where people want them. Each answers the execution as it stands then."""

    def __init__(self, database: Database, bus: Bus, lifecycle: Lifecycle) -> None:
        self._database = database
        self._bus = bus
        self._lifecycle = lifecycle

    def resolve(
        self, execution_id: str, status: Status, user: str, why: str, result: Any = None
    ) -> Execution:
        """A person says how an execution ended whose outcome is not known: succeeded or failed.

        Raises NotFound, and IllegalMove when it is neither abandoned nor pending, or ``status`` is another.
        """
        wish = Move(
            execution_id=execution_id, status=status, actor=user, reason=why, result=result, resolves=True, final=True
        )  # fmt: skip
        return self._ask(execution_id, [wish])

    def cancel(self, execution_id: str, user: str) -> Execution:
        """Ask an execution to stop: canceled at once when nothing runs yet, else canceling.

        A workflow's engine then cancels its tasks. Raises NotFound, and IllegalMove when it is over.
        """
        return self._ask(execution_id, cancel_moves(execution_id, user, f"canceled by {user}"))

    def pause(self, execution_id: str, user: str) -> Execution:
        """Ask a workflow to start no further tasks. Raises NotFound, InvalidInput for a plain action, IllegalMove."""
        self._only_workflows(execution_id, "paused")
        wish = Move(execution_id=execution_id, status=Status.PAUSING, actor=user, reason=f"paused by {user}")
        return self._ask(execution_id, [wish])

    def resume(self, execution_id: str, user: str) -> Execution:
        """Let a paused workflow go on. Raises NotFound, InvalidInput for a plain action, IllegalMove."""
        self._only_workflows(execution_id, "resumed")
        wish = Move(
            execution_id=execution_id, status=Status.RESUMING, actor=user, reason=f"resumed by {user}"
        )
        return self._ask(execution_id, [wish])

    def _only_workflows(self, execution_id: str, what: str) -> None:
        with self._database.read() as tx:
            found = executions.get(tx, execution_id, result=False)
        if found is not None and found.queue != WORKFLOW_QUEUE:
            raise InvalidInput(
                f"Execution {execution_id} runs '{found.action}', which is no workflow; only workflows can be {what}."
            )

    def _ask(self, execution_id: str, choices: Sequence[Move]) -> Execution:
        """Make the first of the moves that is legal."""
        bells = Bells()
        with self._database.write() as tx:
            done = []
            for choice in choices:
                done = self._lifecycle.move_in(tx, [choice], bells)
                if not done[0].refused:
                    break
            found = executions.get(tx, execution_id)
        if found is None:
            raise NotFound("execution", execution_id)
        if done[0].refused:
            raise IllegalMove(execution_id, found.status, choices[-1].status)
        if found.queue == WORKFLOW_QUEUE and execution_id not in bells.canceling:
            bells.canceling.append(execution_id)
        bells.ring(self._bus)
        return found
