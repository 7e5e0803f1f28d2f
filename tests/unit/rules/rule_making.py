"""Rules for tests."""

from datetime import UTC, datetime
from typing import Any

from st_ops.model.resources import Rule, RuleAction, RuleTrigger, RuleType

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
TRIGGER = "monitoring.alert"


def make_rule(name: str = "r", criteria: dict[str, Any] | None = None, **more: Any) -> Rule:
    kind = more.pop("kind", "standard")
    trigger = more.pop("trigger", {"type": TRIGGER})
    parameters = more.pop("parameters", {})
    return Rule(
        pack="p",
        name=name,
        enabled=more.pop("enabled", True),
        trigger=RuleTrigger(**trigger),
        criteria=criteria or {},
        action=RuleAction(ref="core.local", parameters=parameters),
        type=RuleType(ref=kind),
        **more,
    )
