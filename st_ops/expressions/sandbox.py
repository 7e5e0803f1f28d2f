"""The one kind of Jinja environment: sandboxed, immutable, strict about missing names, and limited."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2 import Environment, StrictUndefined, Undefined, pass_environment
from jinja2.compiler import CodeGenerator, Frame
from jinja2.filters import FILTERS, make_attrgetter
from jinja2.nodes import Concat
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from st_ops.expressions import limits

#: Most compiled templates one environment keeps.
_CACHE = 1_000
#: Filters whose number is a width or a count, and the most it may be.
_NUMBERED = ("batch", "center", "slice", "tojson", "wordwrap")
_MAX_NUMBER = 10_000


class _Generator(CodeGenerator):
    """Compiles ``a ~ b`` to a call that looks at the sizes first."""

    def visit_Concat(self, node: Concat, frame: Frame) -> None:  # noqa: N802 - Jinja names its visitors so
        self.write("environment.concatenated((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class Explaining(dict[str, Any]):
    """A mapping for templates that says why it lacks a key."""

    def explain(self, missing: object) -> str:
        """The sentence for whoever used the key ``missing``, which is not here."""
        return f"There is no key '{missing}'."


class _Missing(StrictUndefined):
    """A missing name, attribute or item, an error when it is used."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if isinstance(self._undefined_obj, Explaining):
            return self._undefined_obj.explain(self._undefined_name)
        return str(super()._undefined_message)


class Sandbox(ImmutableSandboxedEnvironment):
    """A Jinja environment for text that others wrote.

    ``filters`` are added to Jinja's own; ``functions`` become global names. Blocks are trimmed as
    StackStorm trims them. A missing name, attribute or item is an error when it is used.
    """

    code_generator_class = _Generator
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(
        self,
        filters: Mapping[str, Callable[..., Any]],
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        super().__init__(
            undefined=_Missing,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=_CACHE,
            autoescape=False,
        )
        self.turns = limits.Turns()
        self.filters.update(_limited_filters())
        self.filters.update(filters)
        self.tests["in"] = lambda item, items: item in items
        self.globals.pop("lipsum", None)  # makes text out of nothing, as much as it is asked for
        self.globals["range"] = self.turns.range
        self.globals.update(functions or {})
        self.text = functools.lru_cache(maxsize=_CACHE)(self.from_string)
        self.expression = functools.lru_cache(maxsize=_CACHE)(self._compiled_expression)

    def _compiled_expression(self, source: str) -> Callable[..., Any]:
        return self.compile_expression(source, undefined_to_none=False)

    def concatenated(self, parts: tuple[Any, ...]) -> str:
        """What ``~`` does."""
        texts = [str(part) for part in parts]
        limits.check_size(sum(map(len, texts)))
        return "".join(texts)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An intercepted operator, done only when its result is of an allowed size."""
        limits.check_binary(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A call out of a template, done only when its result is of an allowed size."""
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str):
            limits.check_string_method(owner, getattr(obj, "__name__", ""), args)
        return super().call(context, obj, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """``str.format`` for templates: Jinja's sandboxed one, with a limit on widths."""
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None
        template: str = value.__self__

        @functools.wraps(wrapped)
        def limited(*args: Any, **kwargs: Any) -> str:
            widths = (*args, *kwargs.values()) if limits.takes_widths(template) else ()
            limits.check_format(template, widths)
            return wrapped(*args, **kwargs)

        return limited


def defined(value: Any) -> Any:
    """``value``; raises jinja2's UndefinedError when it is a missing name, attribute or item."""
    if isinstance(value, Undefined):
        str(value)  # a StrictUndefined raises when it is used
    return value


def _limited_filters() -> dict[str, Callable[..., Any]]:
    own: dict[str, Callable[..., Any]] = {name: _numbered(FILTERS[name]) for name in _NUMBERED}
    return {**own, "replace": _replace, "join": _join, "format": _format, "indent": _indent}


def _numbered(filter_: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(filter_)
    def limited(*args: Any, **kwargs: Any) -> Any:
        for argument in (*args[1:], *kwargs.values()):
            if isinstance(argument, int) and abs(argument) > _MAX_NUMBER:
                raise limits.TooBig(
                    f"{filter_.__name__.removeprefix('do_')}() takes numbers up to {_MAX_NUMBER:,}"
                )
        return filter_(*args, **kwargs)

    return limited


def _replace(value: Any, old: str, new: str, count: int | None = None) -> str:
    limits.check_replace(value, old, new)
    return str(value).replace(str(old), str(new), -1 if count is None else count)


@pass_environment
def _join(
    environment: Environment, value: Iterable[Any], d: Any = "", attribute: str | int | None = None
) -> str:
    items = value if attribute is None else map(make_attrgetter(environment, attribute), value)
    texts = [str(item) for item in items]
    limits.check_size(sum(map(len, texts)) + len(texts) * len(str(d)))
    return str(d).join(texts)


def _format(value: Any, *args: Any, **kwargs: Any) -> str:
    template = str(value)
    limits.check_format(template, (*args, *kwargs.values()) if "*" in template else ())
    return template % (kwargs or args)


def _indent(value: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    text = str(value)
    limits.check_size(len(text) + (text.count("\n") + 1) * (len(width) if isinstance(width, str) else width))
    return str(FILTERS["indent"](text, width, first, blank))
