"""What running actions may ask of the platform: the datastore, who they are, events (StackStorm's action_service)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from st_ops.bus.interface import Bus
from st_ops.errors import InvalidInput, UserError
from st_ops.executions.rooms import Rooms
from st_ops.expressions.masking import mask
from st_ops.expressions.parameter_schema import schema_of
from st_ops.intake.accept import Intake
from st_ops.model.bells import Bell, Topic
from st_ops.model.events import NewEvent
from st_ops.model.records import KeyValue
from st_ops.runners.base import Job
from st_ops.security.key_values import SYSTEM, KeyValues

#: Seconds to wait for an event of an action to be safe on disk.
_EMIT_SECONDS = 30.0


class ActionServices:
    """Answers the requests of running actions. Thread-safe."""

    def __init__(self, key_values: KeyValues, intake: Intake, bus: Bus, rooms: Rooms) -> None:
        self._key_values = key_values
        self._intake = intake
        self._bus = bus
        self._rooms = rooms
        self._methods: dict[str, Callable[[Job, Mapping[str, Any]], Any]] = {
            "kv.get": self._get,
            "kv.set": self._set,
            "kv.delete": self._delete,
            "kv.list": self._list,
            "user.info": self._user_info,
            "emit": self._emit,
            "announce": self._announce,
            "artifact.fetch": self._fetch,
        }

    def call(self, job: Job, method: str, arguments: Mapping[str, Any]) -> Any:
        """Answer one request. Raises UserError for an unknown method or wrong arguments."""
        answer = self._methods.get(method)
        if answer is None:
            raise UserError(
                f"The platform has no service '{method}'; there are {', '.join(sorted(self._methods))}."
            )
        try:
            return answer(job, arguments)
        except KeyError as exc:
            raise InvalidInput(f"Service '{method}' needs the argument {exc}.") from exc

    def _get(self, job: Job, arguments: Mapping[str, Any]) -> Any:
        found = self._key_values.get(
            arguments["name"],
            scope=_scope(arguments),
            user=job.execution.user,
            decrypt=bool(arguments.get("decrypt")),
        )
        if found is None:
            return None
        if found.secret and arguments.get("decrypt"):
            job.hide([found.value])
        return found.value

    def _set(self, job: Job, arguments: Mapping[str, Any]) -> Any:
        ttl = arguments.get("ttl")
        secret = bool(arguments.get("encrypt") or arguments.get("secret"))
        if secret:
            job.hide([arguments["value"]])
        self._key_values.put(
            arguments["name"], str(arguments["value"]), scope=_scope(arguments), user=job.execution.user,
            secret=secret, ttl=None if ttl is None else float(ttl), actor=f"execution {job.execution.id}",
        )  # fmt: skip
        return True

    def _delete(self, job: Job, arguments: Mapping[str, Any]) -> Any:
        actor = f"execution {job.execution.id}"
        return self._key_values.remove(
            arguments["name"], scope=_scope(arguments), user=job.execution.user, actor=actor
        )

    def _list(self, job: Job, arguments: Mapping[str, Any]) -> Any:
        found = self._key_values.find(
            prefix=arguments.get("prefix") or "", scope=_scope(arguments), user=job.execution.user,
            decrypt=bool(arguments.get("decrypt")), limit=arguments.get("limit"), offset=arguments.get("offset") or 0,
        )  # fmt: skip
        if arguments.get("decrypt"):
            job.hide([entry.value for entry in found if entry.secret])
        return [_plain(entry) for entry in found]

    def _user_info(self, job: Job, arguments: Mapping[str, Any]) -> Any:
        user = job.execution.user or "system"
        return {
            "username": user,
            "rbac": {"enabled": False, "roles": [], "is_admin": False},
            "authentication": {"method": "execution token", "location": "pipe", "token_expire": None},
        }

    def _emit(self, job: Job, arguments: Mapping[str, Any]) -> Any:
        event = NewEvent(
            trigger=arguments["trigger"], payload=arguments.get("payload") or {}, delivery=arguments.get("delivery"),
            series=arguments.get("series") or "", episode=arguments.get("episode") or "",
            trace_tag=arguments.get("trace_tag") or "", source=f"execution {job.execution.id}",
        )  # fmt: skip
        return self._intake.accept(event).result(_EMIT_SECONDS).id

    def _announce(self, job: Job, arguments: Mapping[str, Any]) -> Any:
        payload = mask(schema_of(job.action), arguments.get("payload") or {})
        data = {"route": arguments.get("route", "general"), "payload": payload}
        self._bus.publish(Bell(topic=Topic.ANNOUNCEMENT, ids=[job.execution.id], data=data))
        return True

    def _fetch(self, job: Job, arguments: Mapping[str, Any]) -> Any:
        if not job.artifacts:
            raise UserError("This kind of run has no folder that an artifact could be fetched into.")
        return self._rooms.fetch(
            job.execution, job.artifacts, str(arguments["name"]),
            execution_id=str(arguments.get("execution_id") or ""), task=str(arguments.get("task") or ""),
        )  # fmt: skip


def _scope(arguments: Mapping[str, Any]) -> str:
    scope = str(arguments.get("scope") or SYSTEM)
    return scope if scope.startswith("st2kv.") else f"st2kv.{scope}"


def _plain(entry: KeyValue) -> dict[str, Any]:
    return {"name": entry.name, "value": entry.value, "scope": entry.scope, "secret": entry.secret}
