"""Inquiries: taking the answers to questions, and ending those that nobody answered in time."""

from __future__ import annotations

import logging
import threading
from datetime import datetime
from typing import Any

from st_ops.bus.interface import Bus
from st_ops.errors import Conflict, NotFound, Unavailable
from st_ops.executions.lifecycle import Bells, Lifecycle
from st_ops.executions.questions import INQUIRER, check_answer, check_person, lapses_at, properties_of
from st_ops.expressions.masking import mask
from st_ops.logs import facts
from st_ops.model.executions import Execution
from st_ops.model.identity import now
from st_ops.model.status import Status
from st_ops.security.secrets import SecretBox, is_sealed
from st_ops.store import executions, history
from st_ops.store.database import Database, Tx
from st_ops.store.executions import Move

log = logging.getLogger(__name__)

_PENDING = frozenset({Status.PENDING})
_OPEN = history.ExecutionFilter(status=(Status.PENDING.value,), runner=INQUIRER)
#: Open questions whose deadlines are watched at once: the oldest.
_MOST = 10_000


class Inquiries:
    """Takes answers from ``respond``; between ``open`` and ``close`` it also looks for questions that lapsed."""

    def __init__(
        self, database: Database, bus: Bus, lifecycle: Lifecycle, box: SecretBox, sweep_seconds: float
    ) -> None:
        self._database = database
        self._bus = bus
        self._lifecycle = lifecycle
        self._box = box
        self._sweep_seconds = sweep_seconds
        #: Open question → when it lapses: that never changes, so each is read once.
        self._deadlines: dict[str, datetime | None] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inquiries", daemon=True)

    def open(self) -> None:
        """Watch the deadlines."""
        self._thread.start()

    def close(self) -> None:
        """Stop. Idempotent."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def respond(self, inquiry_id: str, response: Any, user: str, *, admin: bool) -> Execution:
        """Take the answer to a question: its execution succeeds with it, and its workflow goes on.

        Answers the execution as it was. Raises NotFound, Conflict when it was answered or is over already,
        Forbidden when it is not for this user, InvalidInput when the answer is not as its schema wants it.
        """
        bells = Bells()
        with self._database.write() as tx:
            question = self._open_question(tx, inquiry_id)
            check_person(question, user, admin=admin)
            check_answer(question, response)
            answer = {**question.result, "response": self._sealed(question, response)}
            wish = Move(
                execution_id=question.id, status=Status.SUCCEEDED, actor=user, reason=f"answered by {user}",
                result=answer, only_from=_PENDING, final=True,
            )  # fmt: skip
            (done,) = self._lifecycle.move_in(tx, [wish], bells)
            if done.refused:
                raise Conflict(f"Inquiry {question.id} was answered already.", conflict_id=question.id)
        bells.ring(self._bus)
        return question

    def _open_question(self, tx: Tx, inquiry_id: str) -> Execution:
        found = executions.get(tx, inquiry_id)
        if found is None or found.runner != INQUIRER:
            raise NotFound("inquiry", inquiry_id, "'st-ops inquiry list' shows the open ones.")
        if found.status is not Status.PENDING:
            what = {Status.SUCCEEDED: "was answered already", Status.TIMEOUT: "lapsed without an answer"}
            said = what.get(found.status, f"is {found.status}")
            raise Conflict(f"Inquiry {found.id} {said}.", conflict_id=found.id)
        return found

    def _sealed(self, question: Execution, response: Any) -> Any:
        def seal(value: Any) -> Any:
            return value if value is None or is_sealed(value) else self._box.seal_value(value)

        return mask(properties_of(question), response, seal)

    def _run(self) -> None:
        while not self._closing.wait(self._sweep_seconds):
            try:
                self.sweep()
            except Unavailable as exc:
                log.warning("Lapsed inquiries cannot be looked for: %s", exc)
            except Exception:  # the edge of this loop: the next round tries again
                log.exception("Looking for lapsed inquiries failed.")

    def sweep(self) -> list[str]:
        """End the questions whose time is up with status timeout; answers their ids."""
        with self._database.read() as tx:
            pending = history.ids(tx, _OPEN, _MOST)
            unread = [key for key in pending if key not in self._deadlines]
            for key, found in executions.get_many(tx, unread, result=True).items():
                self._deadlines[key] = lapses_at(found)
        self._deadlines = {key: self._deadlines[key] for key in pending if key in self._deadlines}
        moment = now()
        due = [key for key, at in self._deadlines.items() if at is not None and at <= moment]
        return self._lapse(due) if due else []

    def _lapse(self, due: list[str]) -> list[str]:
        bells = Bells()
        with self._database.write() as tx:
            moves = [
                Move(
                    execution_id=found.id, status=Status.TIMEOUT, result=found.result, only_from=_PENDING,
                    reason=f"nobody answered within {found.result['ttl']} minutes",
                )
                for found in executions.get_many(tx, due, result=True).values()
            ]  # fmt: skip
            done = self._lifecycle.move_in(tx, moves, bells)
        bells.ring(self._bus)
        ended = [entry.move.execution_id for entry in done if not entry.refused]
        for key in ended:
            log.info("An inquiry lapsed.", extra=facts(execution_id=key))
        return ended
