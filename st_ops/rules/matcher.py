"""Which rules an event matches. Pure: the moment and the datastore are given, nothing is written or logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from st_ops.expressions.datastore import Lookup
from st_ops.expressions.jinja import Templates
from st_ops.model.events import trigger_ref_for
from st_ops.model.resources import Rule
from st_ops.rules.criteria import Criterion, compile_criteria
from st_ops.rules.index import Index
from st_ops.rules.paths import Subject


@dataclass(frozen=True, slots=True)
class Match:
    """What one rule made of one event.

    ``error`` (a sentence) is there when it could not be decided: a failed enforcement, and no match.
    ``reason`` is the key of the criterion that decided, or "".
    """

    rule: Rule
    matched: bool
    reason: str = ""
    error: str | None = None


class CompiledRule:
    """A rule with its criteria made ready."""

    __slots__ = ("criteria", "rule")

    def __init__(self, rule: Rule, templates: Templates) -> None:
        self.rule = rule
        self.criteria: tuple[Criterion, ...] = tuple(compile_criteria(rule.criteria, templates))

    def judge(self, subject: Subject, *, empty: bool) -> Match | None:
        """The match, or the failure to decide; None when the rule simply does not match.

        ``empty``: the event has no payload, which meets no rule that has criteria.
        """
        if empty and self.criteria:
            return None
        for criterion in self.criteria:
            test = criterion.test
            try:
                met = test(subject.value(criterion.path), subject.now) if test else criterion.check(subject)
            except Exception as error:  # noqa: BLE001 - whatever an operator raises is the match's outcome
                subject.faults.clear()
                return Match(self.rule, False, criterion.key, criterion.explain_failure(error))
            if not met:
                return self._failed_inside(subject, criterion.key) if subject.faults else None
        subject.faults.clear()
        return Match(self.rule, True)

    def _failed_inside(self, subject: Subject, key: str) -> Match:
        """No match, and a search on the way had children that could not be tested."""
        error = subject.faults[0]
        subject.faults.clear()
        return Match(self.rule, False, key, error)


class _Pass:
    """The rules of one kind on one trigger."""

    def __init__(self, rules: Sequence[CompiledRule]) -> None:
        self._rules = rules
        self._index = Index(rules)

    def matches(self, subject: Subject, *, empty: bool) -> list[Match]:
        positions = range(len(self._rules)) if empty else self._index.candidates(subject)
        found = (self._rules[position].judge(subject, empty=empty) for position in positions)
        return [match for match in found if match is not None]


class RuleSet:
    """All rules, ready to match. Build a new one when the registry changes; it is only read after that.

    Disabled rules are left out. ``templates`` renders the patterns that are templates.
    """

    def __init__(self, rules: Sequence[Rule], templates: Templates | None = None) -> None:
        templates = templates or Templates()
        passes: dict[str, tuple[list[CompiledRule], list[CompiledRule]]] = {}
        for rule in rules:
            if rule.enabled:
                ref = trigger_ref_for(rule.trigger.type, rule.trigger.parameters)
                backstop = rule.type.ref == "backstop"
                passes.setdefault(ref, ([], []))[backstop].append(CompiledRule(rule, templates))
        self._passes = {ref: (_Pass(first), _Pass(second)) for ref, (first, second) in passes.items()}

    @property
    def triggers(self) -> frozenset[str]:
        """The refs of the triggers that some enabled rule listens to."""
        return frozenset(self._passes)

    def match(self, trigger_ref: str, payload: Mapping[str, Any], kv: Lookup, now: datetime) -> list[Match]:
        """The rules that match, and those that could not be decided, in the order given.

        Backstop rules are asked only when no other rule matched. ``now`` is an aware UTC moment.
        """
        first_and_second = self._passes.get(trigger_ref)
        if first_and_second is None:
            return []
        first, second = first_and_second
        subject, empty = Subject(payload, kv, now), not payload
        found = first.matches(subject, empty=empty)
        if any(match.matched for match in found):
            return found
        return found + second.matches(subject, empty=empty)
