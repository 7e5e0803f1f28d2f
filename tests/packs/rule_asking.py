"""Asking a rule of a shipped pack whether it matches an event, and with which parameters it then acts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from st_ops.expressions.datastore import nothing
from st_ops.model.resources import Rule
from st_ops.packs.loader import load_pack
from st_ops.rules.explain import explain
from tests.packs.pack_files import PACKS


def shipped_rule(pack: str, name: str, *, enabled: bool | None = None) -> Rule:
    """The rule as it is shipped, or switched on or off."""
    rule = load_pack(PACKS / pack).find("rule", name)
    assert isinstance(rule, Rule)
    return rule if enabled is None else rule.model_copy(update={"enabled": enabled})


def matches(rule: Rule, payload: Mapping[str, Any]) -> bool:
    """True when ``rule`` would act on an event of its trigger with ``payload``."""
    return explain(rule, rule.trigger.type, payload, nothing, datetime.now(UTC)).matched
