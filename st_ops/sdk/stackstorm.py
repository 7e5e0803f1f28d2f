"""What StackStorm hands to its actions and sensors, over our platform (reference 1.4 and 1.5)."""

from __future__ import annotations

import logging
import sys
from typing import Any, Mapping

from st_ops.sdk.context import Artifacts, Platform

#: StackStorm's extra level, above CRITICAL.
AUDIT = logging.CRITICAL + 10
SYSTEM_SCOPE = "system"

logging.addLevelName(AUDIT, "AUDIT")


def level_number(name: str) -> int:
    """The number of a log level's name in any case; DEBUG for an unknown one."""
    number = AUDIT if name.upper() == "AUDIT" else getattr(logging, name.upper(), logging.DEBUG)
    return int(number)


def stderr_logger(name: str, level: str = "DEBUG") -> logging.Logger:
    """A logger that prints to stderr in StackStorm's form. Asking again for a name gives the same one."""
    logger = logging.getLogger(name)
    for handler in list(logger.handlers):  # the stderr of a forked child is not that of its parent
        logger.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)-12s: %(levelname)-8s %(message)s"))
    handler.setLevel(level_number(level))
    logger.addHandler(handler)
    logger.setLevel(level_number(level))
    logger.propagate = False
    return logger


class KeyValuePair:
    """One key with its value, as ``list_values`` returns them."""

    def __init__(self, name: str, value: str | None, **more: Any) -> None:
        self.id = name
        self.name = name
        self.value = value
        self.__dict__.update(more)

    def __repr__(self) -> str:
        return f"KeyValuePair(name={self.name!r})"


class DatastoreService:
    """StackStorm's ``datastore_service``: the key-values, local to ``<pack>.<class>:`` by default."""

    def __init__(self, platform: Platform, pack: str, class_name: str, logger: logging.Logger) -> None:
        self._platform = platform
        self._prefix = f"{pack}.{class_name}:"
        self._logger = logger

    def _name(self, name: str, local: bool, scope: str) -> str:
        if scope != SYSTEM_SCOPE:
            raise ValueError(f"Scope {scope} is unsupported.")
        return self._prefix + name if local else name

    def get_user_info(self) -> dict[str, Any]:
        """Who the code runs as: ``{username, rbac, authentication}``."""
        return dict(self._platform.request("user.info"))

    def list_values(
        self, local: bool = True, prefix: str | None = None, limit: int | None = None, offset: int | None = 0
    ) -> list[KeyValuePair]:
        """The keys that begin with ``prefix``."""
        start = (self._prefix if local else "") + (prefix or "")
        rows = self._platform.request(
            "kv.list", prefix=start, limit=limit, offset=offset or 0, scope=SYSTEM_SCOPE
        )
        return [KeyValuePair(**row) for row in rows]

    def get_value(
        self, name: str, local: bool = True, scope: str = SYSTEM_SCOPE, decrypt: bool = False
    ) -> str | None:
        """The value of ``name``; None when there is none."""
        full = self._name(name, local, scope)
        value = self._platform.request("kv.get", name=full, scope=scope, decrypt=decrypt)
        return None if value is None else str(value)

    def set_value(
        self,
        name: str,
        value: Any,
        ttl: float | None = None,
        local: bool = True,
        scope: str = SYSTEM_SCOPE,
        encrypt: bool = False,
    ) -> bool:
        """Store ``str(value)``; True."""
        full = self._name(name, local, scope)
        self._platform.request("kv.set", name=full, value=str(value), ttl=ttl, scope=scope, encrypt=encrypt)
        return True

    def delete_value(self, name: str, local: bool = True, scope: str = SYSTEM_SCOPE) -> bool:
        """Remove ``name``; False when there was none."""
        return bool(self._platform.request("kv.delete", name=self._name(name, local, scope), scope=scope))

    def get_api_client(self) -> Any:
        """A client of the platform's API for this run, from ``ST2_API_URL`` and ``ST2_AUTH_TOKEN``."""
        from st2client.client import Client  # on the path of children only

        return Client()


class _Service:
    """The methods that action_service and sensor_service share; they delegate to ``datastore_service``."""

    def __init__(self, platform: Platform, pack: str, class_name: str, logger: logging.Logger) -> None:
        self._platform = platform
        self._pack = pack
        self._class_name = class_name
        self._logger = logger
        self._datastore = DatastoreService(platform, pack, class_name, logger)

    @property
    def datastore_service(self) -> DatastoreService:
        """The key-value store."""
        return self._datastore

    def get_user_info(self) -> dict[str, Any]:
        """See DatastoreService."""
        return self.datastore_service.get_user_info()

    def list_values(self, *arguments: Any, **named: Any) -> list[KeyValuePair]:
        """See DatastoreService."""
        return self.datastore_service.list_values(*arguments, **named)

    def get_value(self, *arguments: Any, **named: Any) -> str | None:
        """See DatastoreService."""
        return self.datastore_service.get_value(*arguments, **named)

    def set_value(self, *arguments: Any, **named: Any) -> bool:
        """See DatastoreService."""
        return self.datastore_service.set_value(*arguments, **named)

    def delete_value(self, *arguments: Any, **named: Any) -> bool:
        """See DatastoreService."""
        return self.datastore_service.delete_value(*arguments, **named)


class ActionService(_Service):
    """StackStorm's ``action_service``."""

    def __init__(
        self, platform: Platform, pack: str, class_name: str, logger: logging.Logger, log_level: str = "DEBUG"
    ) -> None:
        super().__init__(platform, pack, class_name, logger)
        self._log_level = log_level

    @property
    def artifacts(self) -> Artifacts:
        """Files that outlive the run; st_ops' own, StackStorm has none."""
        return Artifacts(self._platform)

    @property
    def _action_wrapper(self) -> ActionService:
        """Actions reach through ``_action_wrapper`` for ``_pack`` and ``_log_level``; both are here."""
        return self


class SensorService(_Service):
    """StackStorm's ``sensor_service``."""

    def get_logger(self, name: str) -> logging.Logger:
        """A logger below the sensor's own."""
        return self._logger.getChild(name)

    def dispatch(
        self, trigger: str, payload: Mapping[str, Any] | None = None, trace_tag: str | None = None
    ) -> None:
        """Emit an event and return once it is stored. One that is refused is logged and dropped."""
        self._emit(trigger, payload, {"trace_tag": trace_tag or ""})

    def dispatch_with_context(
        self, trigger: str, payload: Mapping[str, Any] | None = None, trace_context: Any = None
    ) -> None:
        """Like dispatch; ``trace_context`` is a mapping or an object with ``trace_tag`` or ``id_``."""
        context = trace_context if isinstance(trace_context, Mapping) else vars(trace_context or object)
        self._emit(
            trigger, payload, {"trace_tag": context.get("trace_tag") or "", "trace_id": context.get("id_")}
        )

    def _emit(self, trigger: str, payload: Mapping[str, Any] | None, trace: dict[str, Any]) -> None:
        from st_ops.sdk.wire import RequestFailed

        given = {} if payload is None else payload
        if not isinstance(given, Mapping):
            self._logger.warning(
                "The payload of %s is not an object but %r: dropped.", trigger, type(payload)
            )
            return
        try:
            self._platform.request("emit", trigger=trigger, payload=dict(given), **trace)
        except RequestFailed as error:
            # StackStorm's sensors do not expect an exception here (validate_trigger_payload).
            self._logger.warning("The event %s was refused and dropped: %s", trigger, error)
