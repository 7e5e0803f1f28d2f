"""``@sensor`` and ``@poll``: a function becomes a sensor of its pack.

::

    from st_ops.sdk import Context, poll

    @poll(every="30s", triggers={"full": {"payload_schema": {"type": "object"}}})
    def disk(ctx: Context) -> None:
        if used() > 0.9:
            ctx.emit("full", {"used": used()}, series="disk:/")

``@poll`` functions are called at every interval; a ``@sensor`` function runs until ``ctx.stopping``.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, TypeVar

from st_ops.sdk.actions import MARK
from st_ops.sdk.durations import seconds

Function = TypeVar("Function", bound=Callable[..., Any])


class SensorIdle(Exception):
    """Raise it, with the reason, to end a sensor that has nothing to watch.

    That is no fault: it costs no process from then on, and is started again when its pack's config, its code or a
    rule changes.
    """


def sensor(
    function: Any = None,
    *,
    name: str = "",
    description: str = "",
    enabled: bool = True,
    triggers: Mapping[str, Any] | list[str] | None = None,
) -> Any:
    """Mark ``function(ctx)`` as a sensor that runs until it is told to stop (``ctx.wait``, ``ctx.stopping``).

    ``triggers`` names what it emits: a list of names, or name → ``{description, payload_schema,
    parameters_schema}`` to declare the trigger types as well. Names without a dot belong to the pack.
    """

    def mark(target: Function) -> Function:
        setattr(target, MARK, {"kind": "sensor"})
        return target

    return mark if function is None else mark(function)


def poll(
    *,
    every: float | str,
    name: str = "",
    description: str = "",
    enabled: bool = True,
    triggers: Mapping[str, Any] | list[str] | None = None,
) -> Callable[[Function], Function]:
    """Mark ``function(ctx)`` as a sensor called each ``every`` (seconds, or ``"5m"``). Raises ValueError."""
    interval = seconds(every)

    def mark(target: Function) -> Function:
        setattr(target, MARK, {"kind": "sensor", "every": interval})
        return target

    return mark
