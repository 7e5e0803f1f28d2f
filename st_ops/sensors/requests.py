"""What a sensor may ask of the platform: events onto disk, the datastore, who it is (StackStorm's sensor_service)."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from st_ops.errors import InvalidInput, TooLarge, Unavailable, UserError
from st_ops.intake.accept import Intake
from st_ops.logs import facts
from st_ops.model.events import NewEvent, RejectedEvent
from st_ops.model.identity import new_id
from st_ops.security.key_values import SYSTEM, KeyValues
from st_ops.sensors.plan import USER
from st_ops.settings import IntakeSettings
from st_ops.store import events
from st_ops.store.database import Database

log = logging.getLogger(__name__)

Arguments = Mapping[str, Any]

_ID = re.compile("[0-9a-f]{24}")


class SensorRequests:
    """Answers the requests of all sensors of a container. Thread-safe."""

    def __init__(
        self, database: Database, intake: Intake, key_values: KeyValues, settings: IntakeSettings
    ) -> None:
        self._database = database
        self._intake = intake
        self._key_values = key_values
        self._settings = settings
        self._methods: dict[str, Callable[[str, Arguments], Any]] = {
            "emit": self._emit,
            "kv.get": self._get,
            "kv.set": self._set,
            "kv.delete": self._delete,
            "kv.list": self._list,
            "user.info": self._user_info,
        }

    def answer(self, ref: str, method: str, arguments: Arguments) -> Any:
        """Do what sensor ``ref`` asks and give the result, any JSON value.

        ``emit`` gives the event's id after it is safe on disk. Raises UserError (or another StOpsError) with a
        sentence for the sensor's author, Unavailable when it may be asked again as it is.
        """
        found = self._methods.get(method)
        if found is None:
            known = ", ".join(sorted(self._methods))
            raise UserError(f"The platform has no service '{method}' for sensors; there are {known}.")
        try:
            return found(ref, arguments)
        except KeyError as exc:
            raise InvalidInput(f"Service '{method}' needs the argument {exc}.") from exc

    def _emit(self, ref: str, arguments: Arguments) -> str:
        try:
            event = _event(ref, arguments)
            self._check_size(event)
            return self._intake.accept(event).result().id
        except UserError as exc:
            self._keep_rejected(ref, arguments, exc)
            raise

    def _check_size(self, event: NewEvent) -> None:
        size, limit = len(json.dumps(event.payload).encode()), self._settings.max_body_bytes
        if size > limit:
            raise TooLarge(
                f"The payload for trigger '{event.trigger}' has {size} bytes; at most {limit} are accepted "
                "(setting 'intake.max_body_bytes')."
            )

    def _keep_rejected(self, ref: str, arguments: Arguments, refusal: UserError) -> None:
        """So that nothing vanishes silently (DESIGN 8)."""
        body = json.dumps(dict(arguments)).encode()[: self._settings.rejected_body_bytes]
        entry = RejectedEvent(
            source=f"sensor {ref}", status_code=refusal.status_code, reason=str(refusal),
            body=body.decode("utf-8", "replace"),
        )  # fmt: skip
        log.warning("An event was refused: %s", refusal, extra=facts(sensor=ref))
        try:
            with self._database.write() as tx:
                events.reject(tx, entry)
        except Unavailable as exc:
            log.warning("The refused event could not be kept: %s", exc, extra=facts(sensor=ref))

    def _get(self, ref: str, arguments: Arguments) -> Any:
        found = self._key_values.get(
            arguments["name"], scope=_scope(arguments), user=USER, decrypt=bool(arguments.get("decrypt"))
        )
        return None if found is None else found.value

    def _set(self, ref: str, arguments: Arguments) -> bool:
        ttl = arguments.get("ttl")
        self._key_values.put(
            arguments["name"], str(arguments["value"]), scope=_scope(arguments), user=USER, actor=f"sensor {ref}",
            secret=bool(arguments.get("encrypt")), ttl=None if ttl is None else _number("ttl", ttl),
        )  # fmt: skip
        return True

    def _delete(self, ref: str, arguments: Arguments) -> bool:
        return self._key_values.remove(
            arguments["name"], scope=_scope(arguments), user=USER, actor=f"sensor {ref}"
        )

    def _list(self, ref: str, arguments: Arguments) -> list[dict[str, Any]]:
        found = self._key_values.find(
            prefix=arguments.get("prefix") or "", scope=_scope(arguments), user=USER,
            limit=arguments.get("limit"), offset=arguments.get("offset") or 0,
        )  # fmt: skip
        names = ("name", "value", "scope", "secret")
        return [entry.model_dump(include=set(names)) for entry in found]

    def _user_info(self, ref: str, arguments: Arguments) -> dict[str, Any]:
        return {
            "username": USER,
            "rbac": {"enabled": False, "roles": [], "is_admin": False},
            "authentication": {"method": "sensor", "location": "channel", "token_expire": None},
        }


def identified(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request of a sensor, its event with a delivery of our own when it brought none: tried twice, stored once."""
    arguments = dict(request.get("arguments") or {})
    if request.get("method") == "emit" and not arguments.get("delivery"):
        arguments["delivery"] = f"sensor/{new_id()}"
    return {**request, "arguments": arguments}


def _event(ref: str, arguments: Arguments) -> NewEvent:
    try:
        return NewEvent(
            trigger=arguments["trigger"], payload=arguments.get("payload") or {}, delivery=arguments.get("delivery"),
            series=arguments.get("series") or "", episode=arguments.get("episode") or "",
            trace_tag=arguments.get("trace_tag") or "", trace_id=_trace_id(arguments.get("trace_id")),
            source=f"sensor {ref}",
        )  # fmt: skip
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"The event's {where} is not valid: {first['msg']}.", where=where) from exc


def _trace_id(value: Any) -> str:
    """``value`` when it is an id; what is none starts a trace of its own: an event is not refused for it."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def _scope(arguments: Arguments) -> str:
    scope = str(arguments.get("scope") or SYSTEM)
    return scope if scope.startswith("st2kv.") else f"st2kv.{scope}"


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as exc:
        raise InvalidInput(f"'{name}' must be a number, not {value!r}.", where=name) from exc
