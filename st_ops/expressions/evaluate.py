"""Orquesta's expressions: YAQL or Jinja in any string of a workflow, evaluated with functions that see a context.

How it goes is Orquesta's (reference 1.9): a string that is nothing but one expression keeps the type of its
value, an expression inside other text becomes text, a value that is a string with expressions is evaluated again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from st_ops.errors import ExpressionError
from st_ops.expressions import limits, scan
from st_ops.expressions.filters import orquesta_functions
from st_ops.expressions.jinja_functions import JinjaEngine
from st_ops.expressions.scan import Expression, Pieces
from st_ops.expressions.yaql_engine import YaqlEngine

Language = Literal["yaql", "jinja"]
#: name → function. Each is called with the evaluation context first, then the arguments of the expression.
Functions = Mapping[str, Callable[..., Any]]

#: How often in a row a value that is again an expression is evaluated.
MAX_DEPTH = 20
MIXED = "Expression with multiple types is not supported."


class EvaluationError(ExpressionError):
    """Raised when an expression of a workflow fails; the message is Orquesta's sentence."""

    def __init__(self, message: str, *, language: Language | None, expression: str) -> None:
        super().__init__(message)
        self.language = language
        self.expression = expression

    @property
    def orquesta_name(self) -> str:
        """What Orquesta calls this error in a workflow's ``errors``: put in front of the message with ``: ``."""
        return "JinjaEvaluationException" if self.language == "jinja" else "YaqlEvaluationException"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A syntax error: Orquesta's inspection entry of kind ``expression``. ``language`` None: both in one string."""

    language: Language | None
    expression: str
    message: str


@dataclass(frozen=True, kw_only=True, order=True)
class Variable:
    """A name that an expression takes from ``ctx()``. ``expression`` is the whole string it stands in."""

    name: str
    language: Language
    expression: str


class _Engine(Protocol):
    """What the evaluator needs of a language."""

    def parse(self, source: str, /) -> Any:
        """Parse one expression; raises when it is not valid."""

    def evaluate(self, source: str, context: Any) -> Any:
        """The plain value of one expression; raises whatever its language or a function raises."""

    def names_in_ctx(self, source: str) -> set[str]:
        """The names it takes from ``ctx()``."""


class Evaluator:
    """Evaluates what a workflow holds. Build one per process and share it between threads.

    ``functions`` (``ctx``, ``item``, ``result``, ``succeeded``, ``task`` …) can be called in both languages and
    get the ``context`` given to ``evaluate`` as their first argument: an object of the caller's, of any type.
    They take and return plain Python (dict, list, str …), which must not be changed afterwards: nothing is
    copied, and a result may be a part of what a function returned. An exception they raise becomes an
    EvaluationError with the exception's class name and text (a KeyError in YAQL: "Unable to resolve key …",
    which is also what ``ctx().missing`` gives). Functions without a context (``json``, ``zip``, the filters)
    are there already.

    ``first_hand`` names functions that cannot be called in a string that itself came out of an expression:
    text of an alert must not be able to read secrets. A YAQL expression that takes longer than ``seconds`` fails.
    """

    def __init__(
        self,
        functions: Functions,
        *,
        first_hand: frozenset[str] = frozenset({"st2kv"}),
        seconds: float = limits.MAX_SECONDS,
    ) -> None:
        guarded = {
            name: (_guard(name, f) if name in first_hand else _open(f)) for name, f in functions.items()
        }
        plain_functions = {name: f for name, f in orquesta_functions().items() if name not in functions}
        self._jinja = JinjaEngine(guarded, plain_functions)
        self._yaql = YaqlEngine(guarded, plain_functions, seconds)

    def evaluate(self, value: Any, context: Any) -> Any:
        """``value`` with every expression in it evaluated, through lists and dicts (keys too).

        A string without expressions comes back unchanged. Raises EvaluationError.
        """
        if isinstance(value, str):
            return self._string(value, context)
        if isinstance(value, Mapping):
            return {self.evaluate(key, context): self.evaluate(item, context) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.evaluate(item, context) for item in value]
        return value

    def check(self, value: Any) -> list[Fault]:
        """Every syntax error of the expressions in ``value``, without evaluating any."""
        return [fault for text in _strings(value) for fault in self._faults(text)]

    def variables(self, value: Any) -> list[Variable]:
        """Every name that the expressions in ``value`` take from ``ctx()``, sorted by name, each once per string.

        Expressions that are not valid count for nothing here: ``check`` reports them.
        """
        return sorted({variable for text in _strings(value) for variable in self._variables(text)})

    def _string(self, text: str, context: Any) -> Any:
        if "<%" not in text and "{{" not in text and "{%" not in text:
            return text
        body, raws = scan.take_raw(text)
        language = _language(body, text, raw=bool(raws))
        call = _Call(context)
        if language is None:
            result: Any = body
        elif language == "yaql":
            result = self._inline(body, scan.yaql_pieces(body), call, "yaql")
        else:
            result = self._jinja_text(body, call)
        if raws and isinstance(result, str):
            for index, raw in enumerate(raws):
                result = result.replace(scan.raw_mark(index), raw)
        return result

    def _jinja_text(self, text: str, call: _Call) -> Any:
        if scan.has_jinja_block(text):
            rendered = _attempt("jinja", text, lambda: self._jinja.text(text, call))
            return self._again(rendered, call, "jinja", text)
        return self._inline(text, scan.jinja_pieces(text), call, "jinja")

    def _inline(self, text: str, pieces: Pieces, call: _Call, language: Language) -> Any:
        engine: _Engine = self._yaql if language == "yaql" else self._jinja
        if len(pieces) == 1 and isinstance(pieces[0], Expression):
            return self._one(engine, pieces[0], call, language)
        made = [
            piece if isinstance(piece, str) else str(self._one(engine, piece, call, language))
            for piece in pieces
        ]
        _attempt(language, text, lambda: limits.check_size(sum(map(len, made))))
        return "".join(made)

    def _one(self, engine: _Engine, expression: Expression, call: _Call, language: Language) -> Any:
        value = _attempt(language, expression.text, lambda: engine.evaluate(expression.source, call))
        return self._again(value, call, language, expression.text) if isinstance(value, str) else value

    def _again(self, value: str, call: _Call, language: Language, origin: str) -> Any:
        """``value``, which came out of ``origin``, with the expressions of the same language in it evaluated."""
        has = "<%" in value if language == "yaql" else ("{{" in value or "{%" in value)
        if not has:
            return value
        if call.depth >= MAX_DEPTH:
            message = f"Unable to evaluate expression '{scan.quoted(origin)}'. It leads to itself."
            raise EvaluationError(message, language=language, expression=origin)
        inner = call.deeper()
        if language == "yaql":
            return self._inline(value, scan.yaql_pieces(value), inner, "yaql")
        return self._jinja_text(value, inner)

    def _faults(self, text: str) -> list[Fault]:
        body, raws = scan.take_raw(text)
        try:
            language = _language(body, text, raw=bool(raws))
        except EvaluationError as error:
            return [Fault(language=None, expression=text, message=str(error))]
        if language is None:
            return []
        if language == "jinja" and scan.has_jinja_block(body):
            message = _complaint(lambda: self._jinja.parse_text(body))
            return [Fault(language="jinja", expression=text, message=message)] if message else []
        engine: _Engine = self._yaql if language == "yaql" else self._jinja
        return [
            Fault(language=language, expression=expression.text, message=message)
            for expression in _expressions(body, language)
            if (message := _complaint(lambda: engine.parse(expression.source)))  # noqa: B023 - called at once
        ]

    def _variables(self, text: str) -> list[Variable]:
        body, raws = scan.take_raw(text)
        if self._faults(text) or (language := _language(body, text, raw=bool(raws))) is None:
            return []
        if language == "jinja" and scan.has_jinja_block(body):
            names = self._jinja.names_in_text(body)
        else:
            engine: _Engine = self._yaql if language == "yaql" else self._jinja
            names = {name for e in _expressions(body, language) for name in engine.names_in_ctx(e.source)}
        return [Variable(name=name, language=language, expression=text) for name in names]


@dataclass(frozen=True, slots=True)
class _Call:
    """The caller's context, and how deep in re-evaluated text we are."""

    context: Any
    depth: int = 0

    def deeper(self) -> _Call:
        return _Call(self.context, self.depth + 1)


def _open(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(at: _Call, *args: Any, **kwargs: Any) -> Any:
        return function(at.context, *args, **kwargs)

    return call


def _guard(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(at: _Call, *args: Any, **kwargs: Any) -> Any:
        if at.depth:
            raise PermissionError(f"{name}() may not be called in text that came out of another expression")
        return function(at.context, *args, **kwargs)

    return call


def _language(body: str, text: str, *, raw: bool) -> Language | None:
    """The one language of a string (``body``: without its raw blocks). Raises EvaluationError when there are two."""
    is_yaql = "<%" in body and any(isinstance(piece, Expression) for piece in scan.yaql_pieces(body))
    is_jinja = raw or scan.has_jinja_block(body) or _expressions(body, "jinja") != []
    if is_yaql and is_jinja:
        raise EvaluationError(MIXED, language=None, expression=text)
    if is_yaql:
        return "yaql"
    return "jinja" if is_jinja else None


def _expressions(body: str, language: Language) -> list[Expression]:
    pieces = scan.yaql_pieces(body) if language == "yaql" else scan.jinja_pieces(body)
    return [piece for piece in pieces if isinstance(piece, Expression)]


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner: Sequence[Any] = ()
    if isinstance(value, Mapping):
        inner = [part for pair in value.items() for part in pair]
    elif isinstance(value, list | tuple):
        inner = value
    return [text for part in inner for text in _strings(part)]


def _attempt(language: Language, expression: str, run: Callable[[], Any]) -> Any:
    """What ``run`` gives, with every failure turned into an EvaluationError in Orquesta's words."""
    try:
        return run()
    except EvaluationError:
        raise
    except Exception as error:  # an expression is foreign code: its author must read what it raised
        raise EvaluationError(
            _sentence(language, expression, error), language=language, expression=expression
        ) from error


def _sentence(language: Language, expression: str, error: Exception) -> str:
    if language == "yaql" and isinstance(error, KeyError):
        key = str(error).strip("'")
        return f"Unable to resolve key '{key}' in expression '{expression}' from context."
    text = str(error).strip("'") if language == "yaql" else str(error)
    return f"Unable to evaluate expression '{expression}'. {type(error).__name__}: {text}"


def _complaint(parse: Callable[[], Any]) -> str:
    """Why ``parse`` fails, or "" when it does not."""
    try:
        parse()
    except Exception as error:  # noqa: BLE001 - each language has its own families of syntax errors; all are faults
        return str(error)
    return ""
