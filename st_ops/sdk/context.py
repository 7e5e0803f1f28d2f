"""What an action or sensor is given: its logger, config, key-values, and the way to emit events."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any, Callable, Mapping, Protocol


class Platform(Protocol):
    """Who answers the requests of pack code - a Channel to the platform, or a stand-in in tests."""

    def request(self, method: str, **arguments: Any) -> Any:
        """The answer to ``kv.get``, ``kv.set``, ``kv.delete``, ``kv.list``, ``user.info``, ``emit``
        or ``artifact.fetch``.
        """


class MissingConfigKey(KeyError, ValueError):
    """Raised when pack code reads a config key that is not there; StackStorm raises ValueError here."""

    def __str__(self) -> str:
        return str(self.args[0])


class PackConfig(dict):  # type: ignore[type-arg]  # subscripting dict fails on Python 3.8
    """A pack's resolved config; a missing key says which file should have it."""

    def __init__(self, pack: str, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(values or {})
        self._pack = pack

    def __missing__(self, key: str) -> Any:
        known = ", ".join(sorted(map(str, self))) or "nothing"
        raise MissingConfigKey(
            f"The config of pack '{self._pack}' has no key '{key}' (it has: {known}). "
            f"Add it to configs/{self._pack}.yaml, or give it a default in the pack's config.schema.yaml."
        )


class KeyValues:
    """The key-value store, as strings. Names are local to the pack unless ``local=False``."""

    def __init__(self, platform: Platform, pack: str) -> None:
        self._platform = platform
        self._pack = pack

    def _name(self, name: str, local: bool) -> str:
        return f"{self._pack}:{name}" if local else name

    def get(
        self, name: str, default: str | None = None, *, local: bool = True, decrypt: bool = False
    ) -> str | None:
        """The value of ``name``, or ``default``. ``decrypt`` reveals a secret one."""
        full = self._name(name, local)
        value = self._platform.request("kv.get", name=full, scope="system", decrypt=decrypt)
        return default if value is None else str(value)

    def set(
        self, name: str, value: Any, *, ttl: float | None = None, local: bool = True, secret: bool = False
    ) -> None:
        """Store ``value`` (anything but a string as JSON) for ``ttl`` seconds, or for good."""
        text = value if isinstance(value, str) else json.dumps(value)
        full = self._name(name, local)
        self._platform.request("kv.set", name=full, value=text, ttl=ttl, scope="system", encrypt=secret)

    def delete(self, name: str, *, local: bool = True) -> bool:
        """Remove ``name``; False when there was none."""
        return bool(self._platform.request("kv.delete", name=self._name(name, local), scope="system"))

    def list(self, prefix: str = "", *, local: bool = True) -> dict[str, str]:
        """Name → value of all keys that begin with ``prefix``; local names without the pack's prefix."""
        start = self._name("", local)
        rows = self._platform.request("kv.list", prefix=start + prefix, limit=None, offset=0, scope="system")
        return {row["name"][len(start) :]: row["value"] for row in rows}


class Artifacts:
    """Files that outlive the run: those it leaves, and those that other executions left."""

    def __init__(self, platform: Platform, folder: str = "") -> None:
        """``folder``: the folder of this run; "" = what the environment says (``ST_OPS_ARTIFACTS``)."""
        self._platform = platform
        self._folder = folder

    @property
    def folder(self) -> Path:
        """The folder of this run: every file in it when the run ends is kept.

        Raises RuntimeError where there is none: in sensors, and in runs on other machines.
        """
        found = self._folder or os.environ.get("ST_OPS_ARTIFACTS", "")
        if not found:
            raise RuntimeError(
                "There is no artifact folder here: only actions that run on a worker have one. "
                "In a test, give st_ops.sdk.testing.context(artifacts=folder)."
            )
        return Path(found)

    def fetch(self, name: str, *, execution_id: str = "", task: str = "") -> Path:
        """The path of a copy of the artifact ``name``, on whatever machine it was left; it goes with this run.

        It is that of the execution with this id, or of the latest run of ``task`` in the workflow that this
        run is part of. Raises RequestFailed when there is no such artifact.
        """
        if bool(execution_id) == bool(task):
            raise ValueError("Say whose artifact it is: either execution_id or task.")
        found = self._platform.request("artifact.fetch", name=name, execution_id=execution_id, task=task)
        return Path(str(found))


class Context:
    """Given to every function that has a parameter ``ctx`` (or one annotated ``Context``)."""

    def __init__(
        self,
        platform: Platform,
        *,
        pack: str,
        name: str,
        logger: logging.Logger,
        config: Mapping[str, Any] | None = None,
        user: str = "",
        execution: Mapping[str, Any] | None = None,
        stopping: threading.Event | None = None,
        triggers: Callable[[], list[dict[str, Any]]] | None = None,
        artifacts: str = "",
    ) -> None:
        """``execution`` is empty for a sensor; ``triggers`` gives a sensor the triggers it serves now.

        ``artifacts``: the run's artifact folder, "" = what the environment says.
        """
        self._platform = platform
        self.pack = pack
        self.name = name
        self.logger = logger
        self.config = PackConfig(pack, config)
        self.user = user
        #: Facts about the present execution: id, parent_id, root_id, action, context …
        self.execution = dict(execution or {})
        #: Set when a sensor is asked to end.
        self.stopping = stopping or threading.Event()
        self.kv = KeyValues(platform, pack)
        self.artifacts = Artifacts(platform, artifacts)
        self._triggers = triggers

    @property
    def triggers(self) -> list[dict[str, Any]]:
        """The triggers (with their ``parameters``) that rules have made of this sensor's trigger types."""
        return self._triggers() if self._triggers else []

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until the sensor is asked to end; True when it was."""
        return self.stopping.wait(seconds)

    def emit(
        self,
        trigger: str,
        payload: Mapping[str, Any] | None = None,
        *,
        delivery: str = "",
        series: str = "",
        episode: str = "",
        trace_tag: str = "",
    ) -> str:
        """Emit an event and return its id, after it is safely stored.

        ``trigger`` without a dot belongs to this pack. ``delivery`` makes a repeat of the same event harmless;
        ``series`` names the thing that is wrong, ``episode`` one outbreak of it. Raises RequestFailed.
        """
        return str(
            self._platform.request(
                "emit",
                trigger=trigger if "." in trigger else f"{self.pack}.{trigger}",
                payload=dict(payload or {}),
                delivery=delivery or None,
                series=series,
                episode=episode,
                trace_tag=trace_tag,
            )
        )
