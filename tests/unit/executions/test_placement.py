"""Where executions run: queues and labels of actions, rules and workflows; work that no worker takes; draining."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from st_ops.executions.placement import place
from st_ops.model.events import NewEvent
from st_ops.model.identity import now
from st_ops.model.records import Worker
from st_ops.model.resources import Action
from st_ops.model.status import Status
from st_ops.model.waiting import Waiting, without_worker
from st_ops.store import claims, history, workers
from tests.unit.executions.platform import Stages
from tests.waiting import eventually

Start = Callable[..., Stages]

LABEL = "region=tokyo"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    opened: list[Stages] = []

    def make(files: dict[str, str], **settings: Any) -> Stages:
        opened.append(Stages(tmp_path, files, **settings))
        return opened[-1]

    yield make
    for stages in opened:
        stages.close()


def shell(name: str, cmd: str, extra: str = "") -> dict[str, str]:
    text = f"name: {name}\nrunner_type: local-shell-cmd\nparameters:\n  cmd:\n    default: {cmd!r}\n{extra}"
    return {f"actions/{name}.yaml": text}


def test_who_asks_decides_before_the_action_and_the_action_before_its_workflow() -> None:
    plain = Action(pack="t", name="a", runner_type="noop")
    placed = plain.model_copy(update={"queue": "own", "needs": ["b=2", "a=1"]})
    workflow = {"placement": {"queue": "dmz", "needs": [LABEL]}}
    assert place(plain, "", [], {}).model_dump() == {"queue": "default", "needs": []}
    assert place(placed, "", [], workflow).model_dump() == {"queue": "own", "needs": ["a=1", "b=2"]}
    assert place(plain, "", [], workflow).model_dump() == {"queue": "dmz", "needs": [LABEL]}
    assert place(placed, "asked", ["c=3"], workflow).model_dump() == {"queue": "asked", "needs": ["c=3"]}
    assert place(plain, "", [], {"placement": "nonsense"}).queue == "default"


def test_work_fits_a_living_worker_of_its_queue_that_offers_all_it_needs() -> None:
    def worker(**fields: Any) -> Worker:
        later = now().replace(year=now().year + 1)
        given = {"queues": ["dmz"], "labels": [LABEL, "disk=ssd"], "expires_at": later, **fields}
        return Worker(host="h", pid=1, **given)

    work = Waiting(queue="dmz", needs=[LABEL], count=2, oldest=now())
    assert without_worker([work], [worker()]) == []
    for unfit in (
        {"queues": ["default"]},
        {"labels": ["disk=ssd"]},
        {"draining": True},
        {"expires_at": now()},
    ):
        assert without_worker([work], [worker(**unfit)]) == [work]


def _stranded(stages: Stages) -> list[tuple[str, list[str], int]]:
    with stages.platform.database.read() as tx:
        found = without_worker(history.waiting(tx), workers.find(tx))
    return [(group.queue, group.needs, group.count) for group in found]


def test_what_no_worker_takes_is_shown_and_runs_once_one_is_there(start: Start, tmp_path: Path) -> None:
    files = shell("a", "true", f"needs: [{LABEL}]\n") | shell("b", "true", "queue: dmz\n")
    stages = start(files)
    waiting = [stages.ask("t.a"), stages.ask("t.a"), stages.ask("t.b")]
    done = stages.ask("core.local", parameters={"cmd": "true"})
    stages.ended(done)
    assert _stranded(stages) == [("default", [LABEL], 2), ("dmz", [], 1)]
    stages.close()
    again = start(files, worker={"queues": ["default", "dmz"], "labels": [LABEL]})
    assert {entry.status for entry in again.ended(*waiting)} == {Status.SUCCEEDED}
    assert _stranded(again) == []


def test_work_for_other_labels_is_never_in_the_way_of_what_a_worker_can_run(start: Start) -> None:
    stages = start(
        shell("a", "true", "needs: [disk=nvme]\npriority: 9\n"), worker={"slots": 2, "labels": [LABEL]}
    )
    for _ in range(40):
        stages.ask("t.a")
    (ended,) = stages.ended(stages.ask("core.local", parameters={"cmd": "true"}))
    assert ended.status is Status.SUCCEEDED


RULE = f"""\
name: placed
enabled: true
trigger: {{type: t.thing}}
action: {{ref: t.flow}}
queue: dmz
needs: [{LABEL}]
"""
FLOW = "version: 1.0\ntasks:\n  one:\n    action: core.noop\n    next:\n      - do: two\n  two:\n    action: t.own\n"


def test_a_rule_places_what_it_starts_and_a_workflow_its_tasks(start: Start) -> None:
    files = {
        "triggers/thing.yaml": "name: thing\n",
        "rules/placed.yaml": RULE,
        "actions/flow.yaml": "name: flow\nrunner_type: orquesta\nentry_point: workflows/flow.yaml\n",
        "actions/workflows/flow.yaml": FLOW,
        **shell("own", "true", "queue: own\n"),
    }
    stages = start(files, worker={"queues": ["dmz", "own"], "labels": [LABEL]})
    stages.platform.intake.accept(NewEvent(trigger="t.thing")).result(10)
    eventually(lambda: len(_all(stages)) == 3, 20, "the workflow and its two tasks")
    stages.ended(*_all(stages))
    placed = {entry.action: (entry.queue, entry.needs, entry.status) for entry in _all(stages)}
    assert placed == {
        "t.flow": ("workflows", [], Status.SUCCEEDED),
        "core.noop": ("dmz", [LABEL], Status.SUCCEEDED),
        "t.own": ("own", [LABEL], Status.SUCCEEDED),
    }


def _all(stages: Stages) -> list[Any]:
    with stages.platform.database.read() as tx:
        return history.find(tx, history.ExecutionFilter())


def test_a_draining_worker_ends_what_it_has_and_takes_no_more(start: Start, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    files = shell("a", f"while ! test -e {mark}; do sleep 0.05; done")
    stages = start(files, worker={"heartbeat_seconds": 0.1})
    worker = stages.platform.worker
    assert worker is not None
    first = stages.ask("t.a")
    stages.reached(first, Status.RUNNING)
    with stages.platform.database.write() as tx:
        workers.set_draining(tx, worker.membership.id)
    eventually(lambda: worker.membership.draining, 10, "the worker to know that it drains")
    second = stages.ask("t.a")
    mark.touch()
    assert stages.ended(first)[0].status is Status.SUCCEEDED
    assert stages.get(second.id).status is Status.REQUESTED
    assert _stranded(stages) == [("default", [], 1)]


def test_what_a_worker_claimed_and_did_not_start_is_handed_back_at_shutdown(
    start: Start, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    stages = start(shell("a", f"touch {mark}; sleep 20"), worker={"slots": 2, "drain_seconds": 0.5})
    worker = stages.platform.worker
    assert worker is not None
    running = stages.ask("t.a")
    eventually(mark.exists, 20, "the first to run")
    closing = threading.Thread(target=worker.close)
    closing.start()
    eventually(lambda: _draining(stages, worker.membership.id), 10, "the worker to be shown as draining")
    late = stages.ask("t.a")
    with stages.platform.database.write() as tx:
        (claimed,) = claims.claim(tx, worker.membership.id, ["default"], (), 1)
    # As if this claim had been on its way when the signal came.
    worker._start(claimed)
    closing.join(30)
    handed_back = stages.get(late.id)
    assert (handed_back.status, handed_back.worker_id) == (Status.REQUESTED, None)
    assert handed_back.reason == "the worker was shut down before it started this"
    assert stages.get(running.id).status is Status.ABANDONED


def _draining(stages: Stages, worker_id: str) -> bool:
    with stages.platform.database.read() as tx:
        found = workers.get(tx, worker_id)
    return found is not None and found.draining
