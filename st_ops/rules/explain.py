"""Why a rule does or does not match an event, criterion by criterion: for ``st-ops rule test`` and the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from st_ops.expressions.datastore import Lookup
from st_ops.expressions.jinja import Templates
from st_ops.expressions.plain import plain
from st_ops.model.base import Model
from st_ops.model.events import trigger_ref_for
from st_ops.model.resources import Rule
from st_ops.rules.criteria import Criterion, compile_criteria
from st_ops.rules.paths import Subject


class Step(Model):
    """One criterion: what it asked, what the event has, and what came of it. ``pattern`` is the rendered one."""

    key: str
    operator: str
    pattern: Any = None
    condition: str | None = None
    value: Any = None
    passed: bool = False
    error: str | None = None


class Explanation(Model):
    """One rule and one event. ``reason`` is a sentence; every criterion has its step, whatever the others say."""

    rule_ref: str
    matched: bool
    reason: str
    steps: list[Step]


def explain(
    rule: Rule,
    trigger_ref: str,
    payload: Mapping[str, Any],
    kv: Lookup,
    now: datetime,
    templates: Templates | None = None,
) -> Explanation:
    """What ``rule`` makes of an event of the trigger ``trigger_ref``, as the matcher decides it.

    A backstop rule is explained as if no other rule had matched; a disabled one as not matching.
    """
    templates = templates or Templates()
    subject = Subject(payload, kv, now)
    steps = [_step(criterion, subject) for criterion in compile_criteria(rule.criteria, templates)]
    reason = _obstacle(rule, trigger_ref, payload)
    failing = next((step for step in steps if not step.passed), None)
    if not reason and failing is not None:
        reason = failing.error or f"Criterion '{failing.key}' ({failing.operator}) is not met."
    return Explanation(
        rule_ref=rule.ref, matched=not reason, reason=reason or "Every criterion is met.", steps=steps
    )


def _obstacle(rule: Rule, trigger_ref: str, payload: Mapping[str, Any]) -> str:
    """What keeps the rule from being asked at all, or ""."""
    listens_to = trigger_ref_for(rule.trigger.type, rule.trigger.parameters)
    if listens_to != trigger_ref:
        return f"The rule listens to {listens_to}, not to {trigger_ref}."
    if not rule.enabled:
        return "The rule is disabled."
    if rule.criteria and not payload:
        return "The event has no payload, which meets no criteria."
    return ""


def _step(criterion: Criterion, subject: Subject) -> Step:
    pattern, value, passed, error = criterion.pattern, None, False, None
    try:
        pattern = criterion.rendered(subject)
        value = plain(subject.value(criterion.path))
        passed = criterion.check(subject)
    except Exception as failure:  # noqa: BLE001 - as in the matcher: it is this criterion's outcome
        error = criterion.explain_failure(failure)
    if not passed and subject.faults:
        error = error or subject.faults[0]
    subject.faults.clear()
    return Step(
        key=criterion.key,
        operator=criterion.type or "",
        pattern=pattern,
        condition=criterion.condition,
        value=value,
        passed=passed,
        error=error,
    )
