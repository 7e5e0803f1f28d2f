"""The questions people ask of a long history: what the API gets as a query, with values drawn anew each time."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.history_rows import RARE_ACTION, RARE_RULE, RARE_RUNNER, RARE_STATUS, RARE_USER, History

Query = dict[str, str | int]


@dataclass(frozen=True)
class Case:
    """One kind of question: GET ``path`` with a query."""

    name: str
    ask: Callable[[], tuple[str, Query]]


def cases(history: History) -> list[Case]:
    """Every kind of question about this history."""
    pick = random.Random(11)
    hour = 3_600_000_000

    def listed(name: str, **query: str | int | Callable[[], str | int]) -> Case:
        def ask() -> tuple[str, Query]:
            drawn = {key: value() if callable(value) else value for key, value in query.items()}
            return "/executions", drawn

        return Case(name, ask)

    def about(name: str, ids: list[str], below: str = "") -> Case:
        return Case(name, lambda: (f"/executions/{pick.choice(ids)}{below}", {}))

    def some_hour() -> int:
        return history.now_micros - pick.randrange(2, 700) * hour

    def in_an_hour(name: str, **query: str | int) -> Case:
        def ask() -> tuple[str, Query]:
            start = some_hour()
            return "/executions", {"timestamp_gt": _iso(start), "timestamp_lt": _iso(start + hour), **query}

        return Case(name, ask)

    def by_key() -> tuple[str, Query]:
        action, key = pick.choice(history.run_keys)
        return "/executions", {"action": action, "run_key": key}

    return [
        listed("newest"),
        listed("newest roots", parent="null"),
        listed("oldest", sort_asc="true"),
        listed("one action", action=lambda: f"site.action_{int(pick.random() ** 3 * 200)}"),
        listed("the most frequent action", action="core.local"),
        listed("a rare action", action=RARE_ACTION),
        listed("succeeded", status="succeeded"),
        listed("failed or timeout", status="failed,timeout"),
        listed("unfinished", status="requested,scheduled,delayed,running,paused"),
        listed("a rare status", status=RARE_STATUS),
        listed(
            "one action, failed",
            action=lambda: f"site.action_{int(pick.random() ** 3 * 200)}",
            status="failed",
        ),
        listed("the most frequent action, a status it never had", action="core.local", status=RARE_STATUS),
        listed("failed roots", status="failed", parent="null"),
        listed("one user", user=lambda: f"user{pick.randrange(20)}"),
        listed("the most frequent user", user="stanley"),
        listed("a rare user", user=RARE_USER),
        listed("one user, failed", user=lambda: f"user{pick.randrange(20)}", status="failed"),
        listed("one rule", rule=lambda: f"site.rule_{pick.randrange(50)}"),
        listed("a rare rule", rule=RARE_RULE),
        listed("one rule, failed", rule=lambda: f"site.rule_{pick.randrange(50)}", status="failed"),
        listed("a rare runner", runner=RARE_RUNNER),
        listed("a frequent runner", runner="python-script"),
        listed("one parent", parent=lambda: pick.choice(history.workflows)),
        listed("one trigger instance", trigger_instance=lambda: pick.choice(history.instances)),
        listed("one trace", trace_id=lambda: pick.choice(history.workflows)),
        Case("one action and run key", by_key),
        listed("one run key", run_key=lambda: pick.choice(history.run_keys)[1]),
        in_an_hour("an hour"),
        in_an_hour("an hour, failed", status="failed"),
        in_an_hour("an hour, one action", action="site.action_3"),
        listed("older than a moment", timestamp_lt=lambda: _iso(some_hour())),
        listed("page 1,000 of 100", offset=99_900),
        listed("page 1,000 of 100, roots", offset=99_900, parent="null"),
        listed("page 1,000 of 100, one action", offset=99_900, action="core.local"),
        listed("page 100 of 100, failed or timeout", offset=9_900, status="failed,timeout"),
        listed("the middle (offset 500,000)", offset=history.count // 2),
        about("one execution", history.ids),
        about("its children", history.workflows, "/children"),
    ]


def _iso(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1_000_000, UTC).isoformat()
