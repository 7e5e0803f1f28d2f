"""Questions to people, as pending executions of the runner inquirer: what they say, until when, and who may answer.

Pure. The facts are StackStorm's (reference 1.12).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from st_ops.errors import Forbidden, InvalidInput
from st_ops.expressions.parameter_schema import validate_payload
from st_ops.model.base import Object
from st_ops.model.events import NewEvent
from st_ops.model.executions import Execution
from st_ops.model.status import Status
from st_ops.store.executions import Moved

#: The runner of executions that are questions.
INQUIRER = "inquirer"
#: StackStorm's trigger for every question that is put; emitted only while a rule listens.
INQUIRY_TRIGGER = "core.st2.generic.inquiry"


def asked_event(entry: Moved, _snapshot: object = None) -> NewEvent | None:
    """The event that tells rules of a question, which they may forward; None when the move put none."""
    execution = entry.execution
    if execution is None or entry.move.status is not Status.PENDING or execution.runner != INQUIRER:
        return None
    said = entry.move.result if isinstance(entry.move.result, Mapping) else {}
    return NewEvent(
        trigger=INQUIRY_TRIGGER, payload={"id": execution.id, "route": str(said.get("route") or "")},
        delivery=f"inquiry/{execution.id}/{execution.attempt}", trace_id=execution.trace_id,
        source=f"execution {execution.id}",
    )  # fmt: skip


def lapses_at(question: Execution) -> datetime | None:
    """When it lapses without an answer; None when it waits for ever (a ``ttl`` of 0 or less)."""
    minutes = _said(question).get("ttl")
    if not isinstance(minutes, (int, float)) or minutes <= 0:
        return None
    return (question.start_timestamp or question.created_at) + timedelta(minutes=minutes)


def check_person(question: Execution, user: str, *, admin: bool) -> None:
    """Raises Forbidden when it is not for ``user`` to answer: where users are named one of them, and where roles are
    one who has such a role. Administrators have every role.
    """
    users, roles = (_said(question).get(name) or [] for name in ("users", "roles"))
    if users and user not in users:
        raise Forbidden(f"Inquiry {question.id} is for {', '.join(map(str, users))}, not for '{user}'.")
    if roles and not admin:
        raise Forbidden(f"Inquiry {question.id} is for those with a role of {', '.join(map(str, roles))}.")


def check_answer(question: Execution, response: Any) -> None:
    """Raises InvalidInput, naming the key, when ``response`` is not as the question's schema wants it."""
    if not isinstance(response, dict):
        raise InvalidInput('The response must be an object, such as {"continue": true}.', where="response")
    try:
        validate_payload(schema_of(question), response)
    except InvalidInput as exc:
        raise InvalidInput(f"The response is not valid: {exc}", where=exc.where) from exc


def schema_of(question: Execution) -> Object:
    """The schema of the answer."""
    found = _said(question).get("schema")
    return found if isinstance(found, dict) else {}


def properties_of(question: Execution) -> Object:
    """Name → schema of what is asked for."""
    found = schema_of(question).get("properties")
    return found if isinstance(found, dict) else {}


def _said(question: Execution) -> Mapping[str, Any]:
    return question.result if isinstance(question.result, Mapping) else {}
