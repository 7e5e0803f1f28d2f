"""A rule's criteria, made ready once and then asked about events (StackStorm, reference 1.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from st_ops.errors import ExpressionError
from st_ops.expressions.jinja import Templates, is_template
from st_ops.rules.operators import NAMES, OPERATORS, SEARCH, Test, text
from st_ops.rules.paths import Path, Subject, path_of

#: A ``search`` condition → (what must hold over the items, what must hold over the child criteria of one item).
_CONDITIONS: dict[str, tuple[Callable[[Iterable[bool]], bool], Callable[[Iterable[bool]], bool]]] = {
    "any": (any, all),
    "all": (all, all),
    "all2any": (all, any),
    "any2any": (any, any),
}


class Criterion:
    """One ``key: {type, pattern, condition}``.

    ``test`` is there when the pattern is the same for every event; otherwise it is made for each.
    """

    __slots__ = ("_templates", "children", "condition", "key", "path", "pattern", "test", "type")

    def __init__(self, key: str, spec: Mapping[str, Any], templates: Templates) -> None:
        self.key = key
        self.path: Path = path_of(key)
        self.type: str | None = spec.get("type")
        self.pattern: Any = text(spec.get("pattern"))
        self.condition: Any = spec.get("condition")
        self._templates = templates
        varies = isinstance(self.pattern, str) and is_template(self.pattern)
        #: Of a search whose pattern is written out: the criteria for its items.
        self.children: list[Criterion] | None = None
        if self.is_search and isinstance(self.pattern, Mapping):
            self.children = compile_criteria(self.pattern, templates)
        self.test: Test | None = (
            None if varies or self.type is None or self.is_search else self._make(self.pattern)
        )

    @property
    def operator(self) -> str:
        """The operator's name in lower case; "" when the criterion has none (it then matches nothing)."""
        return str(self.type or "").lower()

    @property
    def identity(self) -> tuple[Path, str, str]:
        """Equal for criteria that ask the same."""
        return self.path, self.operator, repr(self.pattern)

    @property
    def is_search(self) -> bool:
        """True for ``search``, which tests the items of a list."""
        return self.type == SEARCH

    def check(self, subject: Subject) -> bool:
        """True when the event meets it. Raises whatever the pattern's template, the key or the operator raises."""
        if self.type is None:
            return False
        pattern = self.rendered(subject) if self.test is None else None
        value = subject.value(self.path)
        if self.is_search:
            return self._search(value, pattern, subject)
        test = self.test or self._make(pattern)
        return test(value, subject.now)

    def rendered(self, subject: Subject) -> Any:
        """The pattern for this event; a lone ``{{ }}`` keeps its type. Raises ExpressionError."""
        if isinstance(self.pattern, str):
            return self._templates.value(self.pattern, subject.context)
        return self.pattern

    def _make(self, pattern: Any) -> Test:
        maker = OPERATORS.get(self.operator)
        if maker is not None:
            return maker(pattern)

        def fail(value: Any, now: Any) -> bool:
            raise ExpressionError(self._unknown())

        return fail

    def _unknown(self) -> str:
        if self.operator == SEARCH:
            return f"write the operator '{self.type}' as 'search'"
        return f"there is no operator '{self.type}'; there are {', '.join(sorted(NAMES))}"

    def _search(self, value: Any, pattern: Any, subject: Subject) -> bool:
        if self.condition not in _CONDITIONS:
            raise ExpressionError(
                f"the condition of a search is any, all, any2any or all2any, not '{self.condition}'"
            )
        over_items, over_criteria = _CONDITIONS[self.condition]
        items = [value] if isinstance(value, Mapping) else list(value)
        children = (
            compile_criteria(pattern, self._templates) if items and self.children is None else self.children
        )
        # Every child is asked about every item, so that each that fails is told of.
        asked = [[_asked(child, item) for child in children or ()] for item in map(subject.item, items)]
        return over_items([over_criteria(answers) for answers in asked])

    def explain_failure(self, error: Exception) -> str:
        """A sentence: this criterion could not be tested, and why."""
        why = str(error) if isinstance(error, ExpressionError) else f"{type(error).__name__}: {error}"
        return f"Criterion '{self.key}' ({self.type}) could not be tested: {why}"


def _asked(child: Criterion, item: Subject) -> bool:
    """Whether ``item`` meets ``child``; a failure counts as no, and is kept in the subject's faults."""
    try:
        return child.check(item)
    except Exception as error:  # noqa: BLE001 - whatever an operator raises is its criterion's outcome
        item.faults.append(child.explain_failure(error))
        return False


def compile_criteria(criteria: Any, templates: Templates) -> list[Criterion]:
    """The criteria of a rule (or the pattern of a search), in order. Raises ExpressionError when it is no mapping."""
    if not isinstance(criteria, Mapping):
        raise ExpressionError(
            "the pattern of a search is a mapping of criteria such as item.name: {type, pattern}"
        )
    return [
        Criterion(str(key), spec if isinstance(spec, Mapping) else {}, templates)
        for key, spec in criteria.items()
    ]
