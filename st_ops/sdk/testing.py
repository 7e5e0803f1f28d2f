"""Try actions and sensors of a pack in a test, in this process and without a platform.

::

    from st_ops.sdk.testing import FakePlatform, run_action

    def test_greets():
        assert run_action(greet, name="Ann").result == "Hello, Ann!"
"""

from __future__ import annotations

import inspect
import logging
import threading
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from st_ops.sdk.actions import ActionFailed
from st_ops.sdk.context import Context, PackConfig
from st_ops.sdk.modules import wants_context
from st_ops.sdk.plain import plain
from st_ops.sdk.stackstorm import ActionService, SensorService
from st_ops.sdk.wire import RequestFailed


@dataclass(frozen=True)
class Emitted:
    """One event that pack code emitted."""

    trigger: str
    payload: Mapping[str, Any]
    delivery: str | None = None
    series: str = ""
    episode: str = ""
    trace_tag: str = ""


@dataclass(frozen=True)
class Result:
    """How an action ended: ``ok`` and what it gave."""

    ok: bool
    result: Any


class FakePlatform:
    """A stand-in for the platform: key-values in a dict, events in a list, artifacts of others by name."""

    def __init__(
        self,
        keys: Mapping[str, str] | None = None,
        user: str = "tester",
        artifacts: Mapping[str, str] | None = None,
    ) -> None:
        """``artifacts``: name → path of the file that ``ctx.artifacts.fetch`` gives, whoever is to have left it."""
        self.keys = dict(keys or {})
        self.artifacts = dict(artifacts or {})
        self.emitted: list[Emitted] = []
        self.user = user

    def request(self, method: str, **arguments: Any) -> Any:
        """Answer what the platform answers. Raises KeyError for a method that does not exist."""
        answers: dict[str, Callable[..., Any]] = {
            "kv.get": lambda name, **_: self.keys.get(name),
            "kv.set": self._set,
            "kv.delete": lambda name, **_: self.keys.pop(name, None) is not None,
            "kv.list": self._list,
            "user.info": lambda: {"username": self.user, "rbac": {}, "authentication": {}},
            "emit": self._emit,
            "artifact.fetch": self._fetch,
        }
        return answers[method](**arguments)

    def _set(self, name: str, value: str, **_: Any) -> bool:
        self.keys[name] = value
        return True

    def _list(
        self, prefix: str = "", limit: int | None = None, offset: int = 0, **_: Any
    ) -> list[dict[str, str]]:
        rows = [
            {"name": name, "value": self.keys[name]} for name in sorted(self.keys) if name.startswith(prefix)
        ]
        return rows[offset:][:limit]

    def _fetch(self, name: str, **_: Any) -> str:
        if name not in self.artifacts:
            raise RequestFailed(f"There is no artifact '{name}'.")
        return self.artifacts[name]

    def _emit(self, trigger: str, payload: Mapping[str, Any], **facts: Any) -> str:
        facts.pop("trace_id", None)
        self.emitted.append(Emitted(trigger, payload, **facts))
        return f"{len(self.emitted):024x}"


def context(
    platform: FakePlatform | None = None,
    *,
    pack: str = "tests",
    name: str = "tests.subject",
    config: Mapping[str, Any] | None = None,
    execution: Mapping[str, Any] | None = None,
    stopping: threading.Event | None = None,
    triggers: list[dict[str, Any]] | None = None,
    artifacts: str = "",
) -> Context:
    """A Context over ``platform`` (a new FakePlatform when there is none); ``artifacts`` is its artifact folder."""
    return Context(
        platform or FakePlatform(),
        pack=pack,
        name=name,
        logger=logging.getLogger(f"tests.{name}"),
        config=config,
        execution=execution,
        stopping=stopping,
        triggers=lambda: list(triggers or []),
        artifacts=artifacts,
    )


def run_action(
    target: Any,
    ctx: Context | None = None,
    *,
    platform: FakePlatform | None = None,
    config: Mapping[str, Any] | None = None,
    pack: str = "tests",
    **parameters: Any,
) -> Result:
    """Run an ``@action`` function or a StackStorm action class and give its result as JSON.

    An exception is the test's to see; ActionFailed is a Result that is not ok.
    """
    platform = platform or FakePlatform()
    if inspect.isclass(target):
        cls: Any = target
        logger = logging.getLogger(f"tests.{target.__name__}")
        service = ActionService(platform, pack, target.__name__, logger)
        output = cls(config=PackConfig(pack, config), action_service=service).run(**parameters)
        if isinstance(output, tuple) and len(output) == 2:
            return Result(output[0] is not False, plain(output[1]))
        return Result(True, plain(output))
    parameter = wants_context(target)
    if parameter:
        parameters[parameter] = ctx or context(platform, pack=pack, config=config)
    try:
        return Result(True, plain(target(**parameters)))
    except ActionFailed as failure:
        return Result(False, plain(failure.result))


def sensor_of(
    cls: Callable[..., Any],
    platform: FakePlatform,
    *,
    config: Mapping[str, Any] | None = None,
    pack: str = "tests",
    **more: Any,
) -> Any:
    """An instance of a StackStorm sensor class whose ``sensor_service`` reaches ``platform``."""
    name = getattr(cls, "__name__", "Sensor")
    service = SensorService(platform, pack, name, logging.getLogger(f"tests.{name}"))
    return cls(sensor_service=service, config=PackConfig(pack, config), **more)
