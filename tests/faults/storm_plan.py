"""What the storm asks for, and how each kind of work may end."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Action → how many executions of it are asked for.
ACTIONS: Mapping[str, int] = {
    "core.noop": 60,
    "storm.shell_again": 50,
    "storm.shell_once": 50,
    "storm.python_again": 45,
    "storm.python_once": 45,
    "storm.pair_again": 30,
    "storm.pair_once": 30,
    "storm.single_again": 12,
    "storm.single_once": 12,
    "storm.flaky_again": 12,
    "storm.flaky_once": 12,
    "storm.sure_flow": 9,
    "storm.fragile_flow": 9,
}

#: Kind of event → how many of them, and the rules that must act on each.
EVENTS: Mapping[str, tuple[int, frozenset[str]]] = {
    "shell": (12, frozenset({"storm.shell_for_shell"})),
    "both": (10, frozenset({"storm.shell_for_shell", "storm.python_for_both"})),
    "flow": (3, frozenset({"storm.flow_for_flow"})),
    "none": (8, frozenset()),
}

#: Actions that must not be repeated → how often one execution may begin (its retries included).
ONCE: Mapping[str, int] = {
    "storm.shell_once": 1,
    "storm.python_once": 1,
    "storm.pair_once": 1,
    "storm.single_once": 1,
    "storm.flaky_once": 3,
}

#: Ends other than succeeded that are right.
OTHER_ENDS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(ONCE, frozenset({"abandoned"})),
    "storm.flaky_once": frozenset({"failed", "abandoned"}),
    "storm.fragile_flow": frozenset({"failed", "abandoned"}),
}

#: Action → the key it is limited by and the limit; ``{}`` stands for the lane.
LIMITS: Mapping[str, tuple[str, int]] = {
    "storm.pair_again": ("pair {}", 2),
    "storm.pair_once": ("pair {}", 2),
    "storm.single_again": ("policy storm.single_again", 1),
    "storm.single_once": ("policy storm.single_once", 1),
}


@dataclass(frozen=True)
class Wish:
    """One execution, or (with ``kind``) one event, to ask for; ``key`` makes asking again harmless."""

    key: str
    action: str = ""
    kind: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


def wishes(dice: random.Random, trace: str, share: float) -> list[Wish]:
    """Everything, in random order; ``share`` of the numbers above."""
    found = [
        Wish(f"{action}-{number}", action=action, parameters=_parameters(action, number, trace))
        for action, count in ACTIONS.items()
        for number in range(_part(count, share))
    ]
    found += [
        Wish(f"{kind}-{number}", kind=kind, parameters={"trace": trace, "kind": kind})
        for kind, (count, _rules) in EVENTS.items()
        for number in range(_part(count, share))
    ]
    dice.shuffle(found)
    return found


def _part(count: int, share: float) -> int:
    return max(1, round(count * share))


def _parameters(action: str, number: int, trace: str) -> dict[str, Any]:
    if action == "core.noop":
        return {}
    if action.endswith("_flow"):
        return {"trace": trace}
    lane = f"lane{number % 3}" if "pair" in action else "free"
    beats = number % 5 if action in LIMITS else number % 15
    return {"trace": trace, "lane": lane, "beats": beats}
