"""What must have succeeded before an execution may start: the ``require`` of an action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from st_ops.errors import InvalidInput
from st_ops.model.base import Model
from st_ops.sdk import durations

#: Seconds that an execution waits for what it requires, when its action does not say.
DEFAULT_TIMEOUT = 86_400.0

_KEYS = ("action", "run_key", "within", "timeout")


class Requirement(Model):
    """``action`` must have succeeded under ``run_key``, or (``within``) during the last so many seconds.

    ``run_key`` is a template in metadata; "" there means the run key of the execution that requires.
    ``timeout``: seconds after which an execution that still waits fails.
    """

    action: str
    run_key: str = ""
    within: float | None = None
    timeout: float = DEFAULT_TIMEOUT

    @property
    def slot(self) -> str:
        """The key of the slot row that holds an execution back while this is not met."""
        return f"require {self.action}" + ("" if self.within is not None else f" {self.run_key}")

    @property
    def sentence(self) -> str:
        """What is waited for."""
        if self.within is not None:
            return f"a success of '{self.action}' not older than {self.within:g} s"
        return f"a success of '{self.action}' under the run key '{self.run_key}'"


def parse_require(given: Any) -> list[Requirement]:
    """The ``require`` of an action: one mapping or a list of them. Raises InvalidInput naming the key."""
    entries = given if isinstance(given, list) else [given]
    return [
        _parse(entry, "require" if len(entries) == 1 else f"require.{n}") for n, entry in enumerate(entries)
    ]


def _parse(entry: Any, where: str) -> Requirement:
    if not isinstance(entry, Mapping):
        raise _invalid(where, "must be a mapping with 'action' and 'run_key' or 'within'")
    unknown = sorted(set(entry) - set(_KEYS))
    if unknown:
        raise _invalid(where, f"has no key '{unknown[0]}'; it takes {', '.join(_KEYS)}")
    action = entry.get("action")
    if not isinstance(action, str) or "." not in action:
        raise _invalid(f"{where}.action", f"is {action!r}; expected the ref of an action, pack.name")
    if entry.get("run_key") and entry.get("within"):
        raise _invalid(where, "says both 'run_key' and 'within'; expected one of them")
    return Requirement(
        action=action, run_key=str(entry.get("run_key") or ""), within=_seconds(entry, "within", where),
        timeout=_seconds(entry, "timeout", where) or DEFAULT_TIMEOUT,
    )  # fmt: skip


def _seconds(entry: Mapping[str, Any], key: str, where: str) -> float | None:
    if entry.get(key) is None:
        return None
    try:
        return durations.seconds(entry[key])
    except ValueError as exc:
        raise _invalid(f"{where}.{key}", f"is not valid: {exc}") from exc


def _invalid(where: str, complaint: str) -> InvalidInput:
    return InvalidInput(f"'{where}' {complaint.removesuffix('.')}.", where=where)
