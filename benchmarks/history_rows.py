"""A history as a busy site would have it after 30 days: rows of executions, their audit entries and their events.

Rows are tuples of what the database stores (texts, numbers, None), in the order of the tables' columns.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from st_ops.store.schema import audit, event, execution

_DAYS = 30
#: A workflow has so many tasks; one root in ten is a workflow.
_TASKS = 5
_RARE_EVERY = 10_000

_PYTHON = [f"site.action_{number}" for number in range(200)]
_RUNNERS = {"core.local": "local-shell-cmd", "core.noop": "noop", "site.rollout": "orquesta"}
RARE_ACTION, RARE_RUNNER, RARE_USER, RARE_RULE = "site.rare", "winrm-cmd", "rare", "site.rare"
_USERS = ["stanley"] * 60 + ["st2admin"] * 20 + [f"user{number}" for number in range(20)]
_RULES = [f"site.rule_{number}" for number in range(50)]
_STATUSES = ["succeeded"] * 932 + ["failed"] * 50 + ["timeout"] * 12 + ["canceled"] * 6
RARE_STATUS = "abandoned"


@dataclass
class History:
    """Makes the rows, and remembers some of what it made for the questions asked later."""

    count: int
    now_micros: int
    #: Some ids of plain executions, of workflows, and some trigger instances, traces and run keys.
    ids: list[str] = field(default_factory=list)
    workflows: list[str] = field(default_factory=list)
    instances: list[str] = field(default_factory=list)
    run_keys: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(7)
        self._number = 0

    def batches(self, size: int = 20_000) -> Iterator[tuple[list[tuple[object, ...]], ...]]:
        """(executions, audit entries, events) in batches of about ``size`` executions, oldest first."""
        found: tuple[list[tuple[object, ...]], ...] = ([], [], [])
        while self._number < self.count:
            self._root(*found)
            if len(found[0]) >= size:
                yield found
                found = ([], [], [])
        yield found

    def _root(self, executions: list[tuple[object, ...]], entries: list[tuple[object, ...]],
              events: list[tuple[object, ...]]) -> None:  # fmt: skip
        pick = self._random.random
        rare = self._number % _RARE_EVERY == 0
        identifier, at = self._next()
        workflow = pick() < 0.1
        action = RARE_ACTION if rare else "site.rollout" if workflow else self._action()
        user = RARE_USER if rare else _USERS[int(pick() * 100)]
        rule = RARE_RULE if rare else _RULES[int(pick() * 50)] if pick() < 0.4 else None
        instance = None
        if rule is not None:
            instance = f"{identifier[:8]}e{identifier[9:]}"
            events.append(self._event(instance, at))
        run_key = f"day-{self._number}" if pick() < 0.01 else None
        self._note(identifier, workflow, instance, action, run_key)
        executions.append(
            self._execution(identifier, action, user, at, None, identifier, rule, instance, run_key, rare)
        )
        entries += self._entries(identifier, action, at, identifier)
        for task in range(_TASKS if workflow else 0):
            child, _ = self._next()
            action = self._action()
            moment = at + task * 20_000
            executions.append(
                self._execution(
                    child, action, user, moment, identifier, identifier, None, None, None, False, task
                )
            )
            entries += self._entries(child, action, moment, identifier)

    def _note(
        self, identifier: str, workflow: bool, instance: str | None, action: str, run_key: str | None
    ) -> None:
        if self._random.random() < 0.02:
            (self.workflows if workflow else self.ids).append(identifier)
            if instance:
                self.instances.append(instance)
        if run_key:
            self.run_keys.append((action, run_key))

    def _next(self) -> tuple[str, int]:
        self._number += 1
        age = _DAYS * 86_400_000_000 * (self.count - self._number) // self.count
        at = self.now_micros - age - 3_600_000_000
        return f"{at // 1_000_000:08x}{'b' * 8}{self._number:08x}", at

    def _action(self) -> str:
        chosen = self._random.random()
        if chosen < 0.3:
            return "core.local"
        if chosen < 0.4:
            return "core.noop"
        # Few are run often, many now and then.
        return _PYTHON[int(self._random.random() ** 3 * 200)]

    def _execution(
        self, identifier: str, action: str, user: str, at: int, parent: str | None, root: str, rule: str | None,
        instance: str | None, run_key: str | None, rare: bool, task: int | None = None,
    ) -> tuple[object, ...]:  # fmt: skip
        status = RARE_STATUS if rare else _STATUSES[int(self._random.random() * 1000)]
        row = {
            **_COMMON, "id": identifier, "action": action, "user": user, "status": status,
            "runner": RARE_RUNNER if rare else _RUNNERS.get(action, "python-script"),
            "context": f'{{"user":"{user}","pack":"site"}}', "parent_id": parent, "root_id": root, "rule": rule,
            "trigger_instance_id": instance, "trace_id": root, "run_key": run_key, "ready_at": at, "created_at": at,
            "start_timestamp": at + 4_000, "end_timestamp": at + 3_000_000, "worker_id": "a" * 24,
        }  # fmt: skip
        if task is not None:
            row["task"] = (
                f'{{"key":"t{task}","name":"t{task}","task_id":"","route":0,"item":null,"attempt":1}}'
            )
            row["task_key"] = f"t{task}"
        return tuple(map(row.__getitem__, _EXECUTION_COLUMNS))

    def _entries(self, identifier: str, action: str, at: int, trace: str) -> Sequence[tuple[object, ...]]:
        moments = ((at, "requested"), (at + 4_000, "running"), (at + 3_000_000, "succeeded"))
        return [
            (f"{identifier[:8]}{number}{identifier[9:]}", moment, "worker " + "a" * 24, verb, "execution", action,
             identifier, trace, "", '{"token":1}')
            for number, (moment, verb) in enumerate(moments)
        ]  # fmt: skip

    def _event(self, identifier: str, at: int) -> tuple[object, ...]:
        payload = '{"body":{"host":"web1","state":"down"}}'
        return (
            identifier, "core.st2.webhook", payload, at, "processed", None, "web1", identifier, 17, identifier, "",
            "webhook site", 0,
        )  # fmt: skip


_COMMON: dict[str, object] = {
    "parameters": '{"cmd":"systemctl restart web","host":"web-1.example.org"}', "task": None, "task_key": None,
    "queue": "default", "needs": "[]", "priority": 0, "idempotent": 0, "attempt": 1, "retries": 0, "timeout": None,
    "waits_for_slot": 0, "limited": 0, "token": 1,
    "result": '{"succeeded":true,"return_code":0,"stdout":"' + "x" * 120 + '"}',
    "result_size": 170, "reason": "", "notify": "{}", "parent_notified": 1,
}  # fmt: skip
_EXECUTION_COLUMNS = [column.name for column in execution.c]

#: Table → the columns of its rows here.
TABLES = (
    (execution, _EXECUTION_COLUMNS),
    (audit, [column.name for column in audit.c if column.name != "seq"]),
    (event, [column.name for column in event.c if column.name != "seq"]),
)
