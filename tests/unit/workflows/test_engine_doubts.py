"""A workflow engine whose commits are answered by silence, or that sees its children too late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from st_ops.errors import Unavailable
from st_ops.executions.lifecycle import Bells
from st_ops.model.status import Status
from st_ops.store import claims, history
from st_ops.store.database import Database, Tx
from st_ops.workflows.engine import _cancel
from tests.unit.executions.platform import Stages

_FLOW = "version: 1.0\ntasks:\n  one:\n    action: t.a\n    next:\n      - do: two\n  two:\n    action: t.a\n"
_FILES = {
    "actions/a.yaml": "name: a\nrunner_type: local-shell-cmd\nparameters:\n  cmd:\n    default: 'true'\n",
    "actions/w.yaml": "name: w\nrunner_type: orquesta\nentry_point: workflows/w.yaml\n",
    "actions/workflows/w.yaml": _FLOW,
}


@pytest.fixture
def stages(tmp_path: Path) -> Iterator[Stages]:
    made = Stages(tmp_path, _FILES, worker={"heartbeat_seconds": 0.1})
    yield made
    made.close()


def silence_after(
    monkeypatch: pytest.MonkeyPatch, reached: Callable[[Tx], bool], times: int = 1
) -> list[Unavailable]:
    """Let the first commits after which ``reached`` comes true go through, but without an answer; those there were."""
    write = Database.write
    raised: list[Unavailable] = []

    @contextmanager
    def silent(database: Database) -> Iterator[Tx]:
        with write(database) as tx:
            before = reached(tx)
            yield tx
            after = reached(tx)
        if after and not before and len(raised) < times:
            raised.append(Unavailable("store", "the connection broke during the commit"))
            raise raised[-1]

    monkeypatch.setattr(Database, "write", silent)
    return raised


def test_a_workflow_claimed_in_a_commit_without_an_answer_is_begun(
    stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(tx: Tx) -> bool:
        found = history.find(tx, history.ExecutionFilter(action="t.w"), limit=1, offset=0)
        return bool(found) and found[0].status is Status.RUNNING

    raised = silence_after(monkeypatch, begun)
    (done,) = stages.ended(stages.ask("t.w"))
    assert (len(raised), done.status) == (1, Status.SUCCEEDED)


@pytest.mark.parametrize("count", [1, 2])
def test_a_step_whose_commit_has_no_answer_is_taken_once(
    stages: Stages, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    def stepped(tx: Tx) -> bool:
        return history.count(tx, history.ExecutionFilter(action="t.a")) >= count

    raised = silence_after(monkeypatch, stepped)
    (done,) = stages.ended(stages.ask("t.w"))
    assert (len(raised), done.status) == (1, Status.SUCCEEDED)
    with stages.platform.database.read() as tx:
        assert len(history.children(tx, [done.id])) == 2


def test_a_child_that_began_or_was_handed_back_meanwhile_is_canceled_where_it_is_now(stages: Stages) -> None:
    platform = stages.platform
    stages.drain()
    waiting, running = stages.ask("t.a"), stages.ask("t.a")
    with platform.database.write() as tx:
        (claimed,) = claims.claim(tx, "f" * 24, ["default"], (), 1)
    assert claimed.id == waiting.id
    # As they were seen before: one that waits runs by now, and the other way round.
    seen = [waiting, running.model_copy(update={"status": Status.RUNNING})]
    with platform.database.write() as tx:
        moves = [move for child in seen for move in _cancel(child, "the workflow was canceled")]
        platform.lifecycle.move_in(tx, moves, Bells())
    assert stages.get(waiting.id).status is Status.CANCELING
    assert stages.get(running.id).status is Status.CANCELED
