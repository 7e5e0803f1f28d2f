"""The artifact folder of a run: what tries, lost leases and killed workers make of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from st_ops.executions.rooms import Rooms
from st_ops.model.artifacts import Artifact
from st_ops.model.executions import Execution
from st_ops.model.status import Status
from st_ops.store import artifacts, executions
from st_ops.store.executions import Move
from tests.unit.executions.platform import Stages
from tests.waiting import eventually

_FILES = {
    # Fails at first, succeeds when tried again.
    "actions/twice.yaml": """\
name: twice
runner_type: local-shell-cmd
retry: {count: 1, delay: 0}
parameters:
  where: {type: string, required: true}
  cmd:
    immutable: true
    default: >-
      echo {{ where }} $ST_OPS_ARTIFACTS;
      if test -e {{ where }}; then echo second > $ST_OPS_ARTIFACTS/log; else
      touch {{ where }}; echo first > $ST_OPS_ARTIFACTS/log; echo first > $ST_OPS_ARTIFACTS/only_first; exit 1; fi
""",
    "actions/wait.yaml": """\
name: wait
runner_type: local-shell-cmd
parameters:
  gate: {type: string, required: true}
  cmd:
    immutable: true
    default: "echo late > $ST_OPS_ARTIFACTS/log; until test -e {{ gate }}; do sleep 0.05; done"
""",
}


@pytest.fixture
def stages(tmp_path: Path) -> Iterator[Stages]:
    stages = Stages(tmp_path, _FILES)
    yield stages
    stages.close()


def found(stages: Stages, execution: Execution) -> dict[str, str]:
    """Name → content of the artifacts of an execution."""
    with stages.platform.database.read() as tx:
        kept = artifacts.find(tx, execution.id)
    return {one.name: b"".join(stages.platform.artifacts.read(one)).decode() for one in kept}


def files(stages: Stages) -> list[Path]:
    """Every kept file."""
    # Unlike rglob, it bears with folders that are removed meanwhile.
    walk = os.walk(stages.platform.home.folder / "artifacts")
    return [Path(root, name) for root, _, names in walk for name in names]


def test_a_later_try_replaces_what_an_earlier_one_left_under_the_same_name(stages: Stages, tmp_path: Path):
    (over,) = stages.ended(stages.ask("t.twice", parameters={"where": str(tmp_path / "been")}))
    assert over.status is Status.SUCCEEDED, over
    assert found(stages, over) == {"log": "second\n", "only_first": "first\n"}
    # The file that no artifact names any more is gone.
    eventually(lambda: len(files(stages)) == 2, what="the replaced file to be removed")


def test_a_run_that_was_given_up_meanwhile_keeps_nothing(stages: Stages, tmp_path: Path):
    gate = tmp_path / "gate"
    execution = stages.ask("t.wait", parameters={"gate": str(gate)})
    eventually(lambda: stages.get(execution.id).status is Status.RUNNING)
    with stages.platform.database.write() as tx:
        executions.move(
            tx, [Move(execution_id=execution.id, status=Status.ABANDONED, reason="for this test")]
        )
    gate.touch()
    worker = stages.platform.worker
    assert worker is not None
    eventually(lambda: not worker.running(), what="the run to be over")
    eventually(lambda: files(stages) == [], what="its file to be removed")
    assert found(stages, execution) == {}


def test_the_folders_of_a_killed_worker_are_removed_by_the_next(stages: Stages, tmp_path: Path):
    folder = tmp_path / "runs"
    code = (
        "import sys; from pathlib import Path; from st_ops.store import processes\n"
        "own = Path(sys.argv[1]) / 'killed'; own.mkdir(parents=True)\n"
        "(own / 'owner').write_text(processes.here()); (own / 'left').write_text('x')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, timeout=60)
    living = Rooms(folder, stages.platform.database, stages.platform.artifacts)
    living.open()
    other = Rooms(folder, stages.platform.database, stages.platform.artifacts)
    other.open()
    assert not (folder / "killed").exists()
    assert len(list(folder.iterdir())) == 2
    living.close()
    other.close()
    assert list(folder.iterdir()) == []


def test_what_a_run_fetches_goes_with_it(stages: Stages, tmp_path: Path):
    rooms = Rooms(tmp_path / "runs", stages.platform.database, stages.platform.artifacts)
    rooms.open()
    source = Execution(action="t.wait", runner="local-shell-cmd")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("hello")
    kept: list[Artifact] = stages.platform.artifacts.keep(source, tmp_path / "out").artifacts
    with stages.platform.database.write() as tx:
        executions.insert_new(tx, [source])
        artifacts.put(tx, kept)
    run = Execution(action="t.wait", runner="local-shell-cmd")
    room = rooms.make()
    path = Path(rooms.fetch(run, str(room), "a", execution_id=source.id))
    assert path.read_text() == "hello"
    told: list[str] = []
    assert rooms.clear(run, room, told.append).artifacts == []
    assert not path.exists()
    assert told == []
    rooms.close()


@pytest.fixture
def rooms(stages: Stages, tmp_path: Path) -> Iterator[Rooms]:
    rooms = Rooms(tmp_path / "runs", stages.platform.database, stages.platform.artifacts)
    rooms.open()
    yield rooms
    rooms.close()


def test_a_folder_in_which_nothing_was_left_is_used_again(rooms: Rooms):
    run = Execution(action="t.wait", runner="local-shell-cmd")
    first, second = rooms.make(), rooms.make()
    assert first != second
    rooms.clear(run, first, print)
    assert rooms.make() == first


def test_a_folder_that_the_run_turned_into_something_else_is_not_used_again(rooms: Rooms, tmp_path: Path):
    run = Execution(action="t.wait", runner="local-shell-cmd")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    linked, closed, gone, file = (rooms.make() for _ in range(4))
    linked.rmdir()
    linked.symlink_to(precious)
    closed.chmod(0o500)
    gone.rmdir()
    file.rmdir()
    file.write_text("x")
    for room in (linked, closed, gone, file):
        assert rooms.clear(run, room, print).artifacts == []
    assert (precious / "file").exists()
    made = rooms.make()
    assert made not in (linked, closed, gone, file)
    assert not any(room.exists() or room.is_symlink() for room in (linked, closed, gone, file))
