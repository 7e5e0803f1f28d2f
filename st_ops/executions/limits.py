"""What limits an execution: the concurrency, rate, retry and timeout of its action, its rule and its policies.

StackStorm's three policies become the same things as our own keys, so that one mechanism serves all.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from st_ops.errors import ExpressionError
from st_ops.executions.requirements import requirements_of
from st_ops.expressions.jinja import Templates
from st_ops.model.base import Object
from st_ops.model.limits import OnLimit, Rate, Retry, SlotLimit, parse_concurrency, parse_rate, parse_retry
from st_ops.model.requirements import Requirement
from st_ops.model.resources import Action, Policy
from st_ops.model.status import Status
from st_ops.packs.catalog import Snapshot

CONCURRENCY, CONCURRENCY_BY = "action.concurrency", "action.concurrency.attr"
RETRY, TIMEOUT = "action.retry", "action.timeout"


@dataclass(frozen=True)
class ActionLimits:
    """What limits every execution of one action; ``by`` are policies whose key depends on parameters."""

    fixed: tuple[SlotLimit, ...] = ()
    by: tuple[Policy, ...] = ()
    rate: Rate | None = None
    retry: Retry | None = None
    timeout: float | None = None


def slot_limit(given: Mapping[str, Any], default_key: str, render: Callable[[str], str]) -> SlotLimit:
    """The limit that a ``concurrency`` of an action or a rule means for one execution.

    ``render`` fills the key's template. Raises InvalidInput naming the key, ExpressionError.
    """
    wanted = parse_concurrency(given)
    return SlotLimit(
        key=render(wanted.key) if wanted.key else default_key, limit=wanted.limit, on_limit=wanted.on_limit
    )


class Limits:
    """Answers the limits of actions; remembered per version of the registry. Thread-safe."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._lock = threading.Lock()
        self._kept: tuple[int, dict[str, ActionLimits]] = (-1, {})

    def of(self, snapshot: Snapshot, ref: str) -> ActionLimits:
        """The limits of the action ``ref``. Raises InvalidInput for a policy or metadata that makes no sense."""
        version, kept = self._kept
        if version != snapshot.version:
            with self._lock:
                kept = {}
                self._kept = (snapshot.version, kept)
        found = kept.get(ref)
        if found is None:
            found = kept[ref] = _limits(snapshot, ref)
        return found

    def slots(
        self, snapshot: Snapshot, action: Action, names: Mapping[str, Any], parameters: Object,
        given: Mapping[str, Any], rule_ref: str,
    ) -> list[SlotLimit]:  # fmt: skip
        """The slots that one execution needs.

        ``names``: what key templates see beside the parameters; ``given``: the ``concurrency`` of the rule
        ``rule_ref`` that asked for it. Raises InvalidInput, ExpressionError.
        """
        limits = self.of(snapshot, action.ref)
        if not (limits.fixed or limits.by or action.concurrency or given):
            return []

        def render(template: str) -> str:
            return self._templates.text(template, {**names, **parameters})

        found = list(limits.fixed)
        found += [_by_attributes(policy, parameters) for policy in limits.by]
        if action.concurrency:
            found.append(slot_limit(action.concurrency, action.ref, render))
        if given:
            found.append(slot_limit(given, rule_ref, render))
        return found

    def requires(
        self, action: Action, run_key: str | None, names: Mapping[str, Any], parameters: Object
    ) -> tuple[Requirement, ...]:
        """What must have succeeded before one execution may start. Raises InvalidInput, ExpressionError."""
        known = {**names, **parameters, "run_key": run_key or ""}
        return requirements_of(action, run_key, lambda template: self._templates.text(template, known))

    def retries(self, retry: Retry, status: Status, result: Any, tries: int) -> bool:
        """True when a run that ended so is to be tried again."""
        if tries >= retry.count:
            return False
        if not retry.when:
            return status in retry.statuses
        names = {"status": status.value, "result": result, "tries": tries}
        try:
            return bool(self._templates.value(retry.when, names))
        except ExpressionError:
            # A template that fails on this result does not ask for another try.
            return False


def _limits(snapshot: Snapshot, ref: str) -> ActionLimits:
    action = snapshot.actions.get(ref)
    policies = [
        policy for policy in snapshot.policies.values() if policy.enabled and policy.resource_ref == ref
    ]
    retry = parse_retry(action.retry) if action is not None and action.retry else None
    timeout: float | None = None
    fixed, by = [], []
    for policy in policies:
        given = policy.parameters
        if policy.policy_type == CONCURRENCY:
            limit = int(given["threshold"])
            fixed.append(SlotLimit(key=f"policy {policy.ref}", limit=limit, on_limit=_on_limit(given)))
        elif policy.policy_type == CONCURRENCY_BY:
            by.append(policy)
        elif policy.policy_type == RETRY:
            retry = _stackstorm_retry(given)
        elif policy.policy_type == TIMEOUT:
            timeout = float(given["seconds"])
    rate = parse_rate(action.rate) if action is not None and action.rate else None
    return ActionLimits(tuple(fixed), tuple(by), rate, retry, timeout)


def _on_limit(given: Mapping[str, Any]) -> OnLimit:
    return OnLimit.SKIP if given.get("action") == "cancel" else OnLimit.QUEUE


def _stackstorm_retry(given: Mapping[str, Any]) -> Retry:
    status = Status.TIMEOUT if given.get("retry_on") == "timeout" else Status.FAILED
    return Retry(
        count=int(given.get("max_retry_count", 2)), delay=float(given.get("delay", 0)), statuses=(status,)
    )


def _by_attributes(policy: Policy, parameters: Object) -> SlotLimit:
    """One key for each combination of the attributes' values; hashed, since a value may be secret."""
    given = policy.parameters
    values = [parameters.get(name) for name in given.get("attributes", [])]
    digest = hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    return SlotLimit(
        key=f"policy {policy.ref} {digest}", limit=int(given["threshold"]), on_limit=_on_limit(given)
    )
