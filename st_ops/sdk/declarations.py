"""What a Python file of a pack declares with ``@action``, ``@sensor`` and ``@poll``, read statically."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any, Mapping

from st_ops.sdk.durations import seconds
from st_ops.sdk.schema import Unreadable, constants, literal, parameters_of, summary

#: Keyword arguments of ``@action``; each becomes the metadata key of the same name.
ACTION_OPTIONS = (
    "name",
    "description",
    "enabled",
    "tags",
    "notify",
    "output_schema",
    "timeout",
    "idempotent",
    "probe",
    "queue",
    "needs",
    "priority",
    "limits",
    "concurrency",
    "retry",
    "rate",
    "require",
)
#: Keyword arguments of ``@sensor``; ``@poll`` takes ``every`` as well.
SENSOR_OPTIONS = ("name", "description", "enabled", "triggers")

_MODULES = ("st_ops.sdk", "st_ops.sdk.actions", "st_ops.sdk.sensors", "st_ops")


@dataclass(frozen=True)
class Declaration:
    """One decorated function. ``kind`` is action or sensor; ``line`` that of the ``def``.

    ``options`` are the decorator's keyword arguments; ``parameters`` name → property schema (actions only);
    ``every`` the seconds between two polls (``@poll`` only).
    """

    kind: str
    function: str
    name: str
    description: str
    line: int
    options: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    every: float | None = None


def read(source: str, filename: str = "<source>") -> tuple[list[Declaration], list[Unreadable]]:
    """The declarations in ``source``, and what is wrong with those that cannot be read.

    A file that does not use the SDK gives two empty lists. Raises SyntaxError.
    """
    if "st_ops" not in source:
        return [], []
    module = ast.parse(source, filename)
    decorators = _decorator_names(module)
    names = constants(module)
    found, faults = [], []
    for node in module.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            try:
                declaration = _declaration(node, decorators, names)
            except Unreadable as fault:
                faults.append(fault)
                continue
            if declaration is not None:
                found.append(declaration)
    return found, faults


def _decorator_names(module: ast.Module) -> dict[str, str]:
    """Dotted name as written in the file → action, sensor or poll, following the file's imports."""
    found: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module in _MODULES:
            for alias in node.names:
                written = alias.asname or alias.name
                if alias.name in ("action", "sensor", "poll"):
                    found[written] = alias.name
                elif alias.name == "sdk":
                    found.update({f"{written}.{kind}": kind for kind in ("action", "sensor", "poll")})
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == "st_ops.sdk":
                    written = alias.asname or alias.name
                    found.update({f"{written}.{kind}": kind for kind in ("action", "sensor", "poll")})
    return found


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _declaration(
    node: ast.FunctionDef | ast.AsyncFunctionDef, decorators: Mapping[str, str], names: Mapping[str, Any]
) -> Declaration | None:
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        kind = decorators.get(_dotted(call.func if call else decorator))
        if kind is not None:
            options = _options(call, kind, names) if call else {}
            return _build(node, kind, options, names)
    return None


def _options(call: ast.Call, kind: str, names: Mapping[str, Any]) -> dict[str, Any]:
    allowed = ACTION_OPTIONS if kind == "action" else SENSOR_OPTIONS + (("every",) if kind == "poll" else ())
    if call.args:
        raise Unreadable(f"@{kind} takes named arguments only, e.g. {allowed[0]}=…", call.lineno, kind)
    options = {}
    for keyword in call.keywords:
        if keyword.arg not in allowed:
            raise Unreadable(
                f"@{kind} has no argument '{keyword.arg}'; it takes {', '.join(allowed)}.",
                call.lineno,
                str(keyword.arg),
            )
        options[keyword.arg] = literal(keyword.value, names, keyword.arg)
    return options


def _build(
    node: ast.FunctionDef | ast.AsyncFunctionDef, kind: str, options: dict[str, Any], names: Mapping[str, Any]
) -> Declaration:
    if isinstance(node, ast.AsyncFunctionDef):
        raise Unreadable(f"{node.name} is an async function; @{kind} needs a plain one.", node.lineno)
    every = None
    if kind == "poll":
        try:
            every = seconds(options.pop("every", None))
        except ValueError as error:
            raise Unreadable(f"every: {error}", node.lineno, "every") from error
    return Declaration(
        kind="action" if kind == "action" else "sensor",
        function=node.name,
        name=str(options.pop("name", node.name)),
        description=str(options.pop("description", summary(ast.get_docstring(node) or ""))),
        line=node.lineno,
        options=options,
        parameters=parameters_of(node, names) if kind == "action" else {},
        every=every,
    )
