"""How many executions may run at once, how often one may start, and how often a failed one is tried again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from st_ops.errors import InvalidInput
from st_ops.model.base import Model
from st_ops.model.status import Status


class OnLimit(StrEnum):
    """What becomes of an execution that finds its limit reached."""

    QUEUE = "queue"
    SKIP = "skip"
    CANCEL_RUNNING = "cancel_running"
    FAIL = "fail"


class SlotLimit(Model):
    """At most ``limit`` executions with ``key`` are admitted at a time."""

    key: str
    limit: int
    on_limit: OnLimit = OnLimit.QUEUE


class Concurrency(Model):
    """The ``concurrency`` of an action or a rule. ``key`` is a template; "" = the action or rule itself."""

    key: str = ""
    limit: int = 1
    on_limit: OnLimit = OnLimit.QUEUE


class Rate(Model):
    """At most ``count`` starts within any ``seconds``."""

    count: int
    seconds: float


class Retry(Model):
    """Up to ``count`` further tries of a run that ended in one of ``statuses``, or as ``when`` (Jinja) says.

    The pause before try n is ``delay`` seconds, doubled each time when ``exponential``, at most ``max_delay``,
    and varied at random by ``jitter`` (0.1 = ten per cent up or down).
    """

    count: int
    delay: float = 0.0
    exponential: bool = False
    max_delay: float = 3600.0
    jitter: float = 0.0
    statuses: tuple[Status, ...] = (Status.FAILED, Status.TIMEOUT)
    when: str = ""

    def pause(self, tries: int, chance: float) -> float:
        """Seconds to wait after ``tries`` further tries; ``chance`` is a random number from 0 to 1."""
        seconds = self.delay * (2**tries if self.exponential else 1)
        return min(self.max_delay, seconds) * (1 + self.jitter * (2 * chance - 1))


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS |= {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_RATE = re.compile(r"\s*(\d+)\s*/\s*(\d*)\s*([a-z]+?)s?\s*")
_STATUSES = {"failure": Status.FAILED, "failed": Status.FAILED}
_STATUSES |= {"timeout": Status.TIMEOUT, "abandoned": Status.ABANDONED}


def parse_concurrency(given: Mapping[str, Any]) -> Concurrency:
    """``{key: <template>, limit: N, on_limit: queue|skip|cancel_running|fail}``. Raises InvalidInput naming the key."""
    unknown = sorted(set(given) - {"key", "limit", "on_limit"})
    if unknown:
        raise _invalid("concurrency", f"has no key '{unknown[0]}'; it takes key, limit, on_limit")
    limit = given.get("limit", 1)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise _invalid("concurrency.limit", f"is {limit!r}; expected a whole number from 1 up")
    wanted = given.get("on_limit", "queue")
    if wanted not in list(OnLimit):
        raise _invalid("concurrency.on_limit", f"is '{wanted}'; expected one of {', '.join(OnLimit)}")
    return Concurrency(key=str(given.get("key") or ""), limit=limit, on_limit=OnLimit(wanted))


def parse_rate(text: str) -> Rate:
    """``10/minute``, ``3/10s``, ``100/h``. Raises InvalidInput."""
    match = _RATE.fullmatch(text)
    if match is None or match[3] not in _UNITS or int(match[1]) < 1 or match[2] == "0":
        raise InvalidInput(
            f"'{text}' is not a rate; expected N/period, such as 10/minute or 3/10s.", where="rate"
        )
    return Rate(count=int(match[1]), seconds=int(match[2] or 1) * _UNITS[match[3]])


def parse_retry(given: Mapping[str, Any]) -> Retry:
    """The ``retry`` of an action's metadata. Raises InvalidInput naming the key."""
    known = {"count", "delay", "backoff", "max_delay", "jitter", "retry_on"}
    unknown = sorted(set(given) - known)
    if unknown:
        raise _invalid("retry", f"has no key '{unknown[0]}'; it takes {', '.join(sorted(known))}")
    for key in ("count", "delay", "max_delay", "jitter"):
        number = given.get(key, 0)
        if not isinstance(number, int | float) or isinstance(number, bool) or number < 0:
            raise _invalid(f"retry.{key}", f"is {number!r}; expected a number from 0 up")
    if "count" not in given or not isinstance(given["count"], int):
        raise _invalid(
            "retry.count", "is missing or no whole number; it says how many further tries there are"
        )
    values: dict[str, Any] = {
        key: given[key] for key in ("count", "delay", "max_delay", "jitter") if key in given
    }
    backoff = given.get("backoff", "constant")
    if backoff not in ("constant", "exponential"):
        raise _invalid("retry.backoff", f"is '{backoff}'; expected constant or exponential")
    on = given.get("retry_on", ["failed", "timeout"])
    if isinstance(on, str) and "{{" in on:
        values["when"] = on
    else:
        values["statuses"] = tuple(_status(name) for name in ([on] if isinstance(on, str) else on))
    return Retry(exponential=backoff == "exponential", **values)


def _invalid(where: str, complaint: str) -> InvalidInput:
    return InvalidInput(f"'{where}' {complaint}.", where=where)


def _status(name: Any) -> Status:
    if name not in _STATUSES:
        expected = ", ".join(_STATUSES)
        raise _invalid("retry.retry_on", f"has '{name}'; expected {expected}, or a template")
    return _STATUSES[name]
