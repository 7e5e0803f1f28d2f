"""The product's own functions for executions, driven by hand: workers that live, die and report late, and no threads.

Nothing here rings or sweeps by itself, so that a test decides the order of everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, delete, select, text, update

from st_ops.executions.lost import Reaper
from st_ops.executions.requests import Request
from st_ops.executions.retention import Retention
from st_ops.model.executions import Execution
from st_ops.model.identity import new_id, now
from st_ops.model.records import Worker
from st_ops.model.status import Status
from st_ops.services import Platform
from st_ops.settings import RetentionSettings, load
from st_ops.store import executions, slots, workers
from st_ops.store.executions import Move, Moved
from st_ops.store.migrate import upgrade
from st_ops.store.schema import audit, execution, metadata, rate, slot
from st_ops.workflows.engine import WorkflowEngine

PACK = "name: m\nref: m\nversion: 1.0.0\ndescription: Test\nauthor: t\nemail: t@localhost\n"

_LANE = "parameters:\n  lane:\n    type: string\n    default: a\n"
_FLOW = """version: 1.0
input:
  - lane
tasks:
  fan:
    with: <% list(1, 2, 3) %>
    action: m.queued lane=<% ctx(lane) %>
    next:
      - do: last
  last:
    action: m.again
"""


def _action(name: str, more: str = "", runner: str = "noop") -> dict[str, str]:
    return {f"actions/{name}.yaml": f"name: {name}\nrunner_type: {runner}\n{_LANE}{more}"}


def _in_lane(limit: int, key: str = "lane {{ lane }}", on_limit: str = "queue") -> str:
    return f"concurrency:\n  key: '{key}'\n  limit: {limit}\n  on_limit: {on_limit}\n"


FILES = {
    "pack.yaml": PACK,
    **_action("plain"),
    **_action("again", "idempotent: true\n"),
    **_action("queued", _in_lane(2)),
    **_action("both", "idempotent: true\n" + _in_lane(2)),
    **_action("skipped", _in_lane(1, "gate", "skip")),
    **_action("refused", _in_lane(1, "gate", "fail")),
    **_action("replaced", "idempotent: true\n" + _in_lane(1, "solo", "cancel_running")),
    **_action("retried", _in_lane(2) + "retry:\n  count: 2\n  delay: 30\n  retry_on: [failed, abandoned]\n"),
    **_action("probed", _in_lane(2) + "probe: m.answer\n"),
    **_action("answer", "idempotent: true\n"),
    **_action("paced", "idempotent: true\nrate: 2/10s\n"),
    **_action("flow", "entry_point: workflows/flow.yaml\n", runner="orquesta"),
    "actions/workflows/flow.yaml": _FLOW,
    "policies/alone.yaml": (
        "name: alone\nresource_ref: m.both\npolicy_type: action.concurrency\nparameters: {threshold: 1}\n"
    ),
}

#: Action → the keys it is limited by and their limits; ``{}`` stands for the lane.
LIMITS: Mapping[str, Mapping[str, int]] = {
    "m.queued": {"lane {}": 2},
    "m.both": {"lane {}": 2, "policy m.alone": 1},
    "m.skipped": {"gate": 1},
    "m.refused": {"gate": 1},
    "m.replaced": {"solo": 1},
    "m.retried": {"lane {}": 2},
    "m.probed": {"lane {}": 2},
}

#: How many starts of m.paced there may be within how many seconds.
PACE = (2, 10.0)


@dataclass
class Hand:
    """A worker as the store knows it, and what it believes to run."""

    id: str
    runs: list[Execution] = field(default_factory=list)


class Bench:
    """One store with the pack ``m``; ``clear`` empties it for the next example."""

    def __init__(self, home: Path, store_url: str = "") -> None:
        for name, content in FILES.items():
            path = home / "packs" / "m" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        given = {
            "home": home / "home",
            "store": {"url": store_url, "synchronous": "normal"},
            "packs": {"dirs": [str(home / "packs")]},
        }
        self.platform = Platform(load(given), ())
        self.database = self.platform.database
        upgrade(self.database)
        self.problems = self.platform.registrar.reload()["problems"]
        self.platform.catalog.current()
        (engine,) = self.platform._workflow_stage()
        assert isinstance(engine, WorkflowEngine)
        self.engine = engine
        #: Seconds that were skipped; a start's moment in the machine's time is its own plus these at that time.
        self.skipped = 0.0

    def close(self) -> None:
        """Give the store back."""
        self.platform.close()
        self.database.close()

    def clear(self) -> None:
        """Forget every execution, and all that came of them."""
        kept = {"pack", "resource", "counter", "token"}
        with self.database.write() as tx:
            for table in metadata.sorted_tables:
                if table.name not in kept:
                    tx.execute(delete(table))
        self.skipped = 0.0
        self._begin_engine()

    # --- what people and stages do ---

    def request(self, action: str, **fields: Any) -> Execution:
        """Ask for an execution."""
        wish = Request(action=action, user="ada", **fields)
        return self.platform.requests.request(wish)[0]

    def hire(self) -> Hand:
        """A worker begins."""
        hand = Hand(new_id())
        entry = Worker(
            id=hand.id, kind="runner", host="h", pid=1, process="elsewhere 1 1", queues=["default"], labels=[], slots=8,
            expires_at=now(),
        )  # fmt: skip
        with self.database.write() as tx:
            workers.register(tx, entry, 3600)
        return hand

    def claim(self, hand: Hand, limit: int) -> list[Execution]:
        """A worker takes work, as ``Worker._claim`` does."""
        with self.database.write() as tx:
            if workers.get(tx, hand.id) is None:
                return []
            claimed = self.platform.lifecycle.claim_in(tx, hand.id, ["default"], [], limit)
        hand.runs += claimed
        return claimed

    def report(self, run: Execution, status: Status, *, answer: bool = True) -> Moved:
        """A run ended, says whoever ran it; that of a probe with its ``answer``."""
        move = Move(
            execution_id=run.id,
            status=status,
            actor="worker",
            reason="so it ended",
            token=run.token,
            result={"took_effect": answer},
        )
        return self.platform.lifecycle.move([move])[0]

    def lose(self, hand: Hand) -> None:
        """A worker is not heard of any more."""
        with self.database.write() as tx:
            workers.heartbeat(tx, hand.id, -1.0)

    def canceling(self, hand: Hand) -> set[str]:
        """What a worker is to stop."""
        with self.database.read() as tx:
            return {entry.id for entry in workers.held(tx, hand.id, [Status.CANCELING])}

    def reap(self) -> None:
        """A node looks for lost workers."""
        Reaper(self.database, self.platform.bus, self.platform.lifecycle, lease_seconds=15).sweep()

    def sweep(self) -> None:
        """A node looks for what waits and has room."""
        self.platform.lifecycle.admit_waiting()

    def forget(self) -> None:
        """Retention removes all that is over."""
        at_once = RetentionSettings(execution_days=1e-9, pause_seconds=0, audit_days=0, event_days=0)
        Retention(self.database, at_once, lambda _locations: None).round()

    def conduct(self) -> None:
        """The workflow engine does all it finds to do."""
        while self.engine._drain():
            pass

    def lose_engine(self) -> None:
        """The workflow engine dies, and another one takes over."""
        with self.database.write() as tx:
            workers.heartbeat(tx, self.engine._membership.id, -1.0)
        self._begin_engine()
        self.reap()
        self.engine._adopt()

    def _begin_engine(self) -> None:
        """An engine that knows nothing yet. Making a new one takes half a second, so this one forgets all."""
        self.engine._live.forget_all()
        self.engine._held.clear()
        self.engine._take_up.clear()
        self.engine._membership.id = new_id()
        self.engine._membership._register()

    def pass_time(self, seconds: float) -> None:
        """What the store holds was so much longer ago: nobody has to wait for time to pass."""
        columns = ("ready_at", "created_at", "start_timestamp", "end_timestamp")
        changes = ", ".join(f"{name} = {name} - :by" for name in columns)
        by = int(seconds * 1_000_000)
        with self.database.write() as tx:
            tx.execute(text(f"UPDATE execution SET {changes}"), {"by": by})
            for key, given in list(tx.execute(select(rate.c.key, rate.c.given))):
                moved = update(rate).where(rate.c.key == bindparam("b_key"))
                tx.execute(moved.values(given=[moment - by for moment in given]), {"b_key": key})
        self.skipped += seconds

    # --- what there is ---

    def all(self) -> dict[str, Execution]:
        """Every execution by id, without results."""
        with self.database.read() as tx:
            ids = list(tx.execute(select(execution.c.id)).scalars())
            return executions.get_many(tx, ids)

    def slots(self) -> list[tuple[str, str, int, bool]]:
        """(execution, key, limit, admitted) of every slot."""
        with self.database.read() as tx:
            rows = tx.execute(select(slot.c.execution_id, slot.c.key, slot.c.limit, slot.c.admitted))
            return [(row[0], row[1], row[2], bool(row[3])) for row in rows]

    def usage(self) -> dict[str, tuple[int, int, int]]:
        """Key → (admitted, waiting, limit)."""
        with self.database.read() as tx:
            return slots.usage(tx)

    def audited(self, after: int) -> list[Any]:
        """The rows of the audit log about executions after this number, in order."""
        query = select(audit).where(audit.c.seq > after, audit.c.kind == "execution").order_by(audit.c.seq)
        with self.database.read() as tx:
            return list(tx.execute(query))
