"""``@action``: a typed function becomes an action of its pack.

::

    from st_ops.sdk import Context, action

    @action(idempotent=True, timeout=30)
    def greet(ctx: Context, name: str, times: int = 1) -> str:
        \"\"\"Greet somebody.

        :param name: Who is greeted.
        :param times: How often.
        \"\"\"
        return " ".join([f"Hello, {name}!"] * times)

The file lies in the pack's ``actions/`` folder and needs no YAML: the platform reads the signature.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, TypeVar, overload

Function = TypeVar("Function", bound=Callable[..., Any])

#: Where a decorated function carries what it is.
MARK = "__st_ops__"


class Secret(str):
    """Annotation of a parameter whose value is never shown: ``password: Secret``, or ``Annotated[str, Secret]``."""

    __slots__ = ()


class ActionFailed(Exception):
    """Raise it to end an action as failed with a sentence instead of a traceback, and a result all the same."""

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


@overload
def action(function: Function) -> Function: ...


@overload
def action(
    *,
    name: str = ...,
    description: str = ...,
    enabled: bool = ...,
    tags: list[Any] = ...,
    notify: Mapping[str, Any] = ...,
    output_schema: Mapping[str, Any] = ...,
    timeout: float = ...,
    idempotent: bool = ...,
    probe: str = ...,
    queue: str = ...,
    needs: list[str] = ...,
    priority: int = ...,
    limits: Mapping[str, Any] = ...,
    concurrency: Mapping[str, Any] = ...,
    retry: Mapping[str, Any] = ...,
    rate: str = ...,
    require: Mapping[str, Any] | list[Mapping[str, Any]] = ...,
) -> Callable[[Function], Function]: ...


def action(function: Any = None, **options: Any) -> Any:
    """Mark a function as an action, bare or with options, which must be literals.

    ``name`` and ``description`` replace those of the function and its docstring; ``timeout`` is in seconds;
    the others are the metadata keys of the same name (docs: pack authors). The function stays callable as it is.
    """

    def mark(target: Function) -> Function:
        setattr(target, MARK, {"kind": "action", **options})
        return target

    return mark if function is None else mark(function)
