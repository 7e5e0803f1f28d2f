"""Working on packs while the platform runs: what is saved is told, wherever it lies."""

from __future__ import annotations

import queue
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from st_ops.packs.discover import discover
from st_ops.packs.watch import PackWatcher
from tests.unit.packs.pack_folders import write_pack
from tests.waiting import eventually

Watch = Callable[..., "queue.Queue[set[str]]"]


@pytest.fixture
def watch() -> Iterator[Watch]:
    watchers: list[PackWatcher] = []

    def begin(*roots: Path) -> queue.Queue[set[str]]:
        told: queue.Queue[set[str]] = queue.Queue()

        def changed(refs: set[str]) -> None:
            told.put(refs)
            raise RuntimeError("the reload failed")  # which must not end the watching

        watcher = PackWatcher(roots, lambda: discover(roots).folders, changed)
        watcher.start()
        watchers.append(watcher)
        return told

    yield begin
    for watcher in watchers:
        watcher.stop()
        watcher.stop()


def touched(told: queue.Queue[set[str]], file: Path, wanted: set[str]) -> None:
    """Save ``file`` until it is told of: a watch begins a moment after its start."""

    def noticed() -> bool:
        file.write_text(file.read_text() + "\n" if file.exists() else "")
        try:
            return told.get(timeout=0.3) == wanted
        except queue.Empty:
            return False

    eventually(noticed, 20, f"a change of {file} to be told")


def heard(told: queue.Queue[set[str]], wanted: set[str]) -> None:
    """Read what is told until it is ``wanted``."""
    while told.get(timeout=10) != wanted:
        continue


def test_a_changed_file_is_told_by_the_ref_of_its_pack_and_watching_survives_a_failure(
    tmp_path: Path, watch: Watch
):
    alpha, beta = (write_pack(tmp_path, {}, name) for name in ("alpha", "beta"))
    told = watch(tmp_path)
    touched(told, alpha / "new.yaml", {"alpha"})
    (beta / "rules").mkdir()
    (beta / "rules" / "one.yaml").write_text("name: one\n")
    heard(told, {"beta"})


def test_a_pack_that_comes_or_goes_means_all(tmp_path: Path, watch: Watch):
    alpha = write_pack(tmp_path, {}, "alpha")
    told = watch(tmp_path)
    touched(told, alpha / "new.yaml", {"alpha"})
    write_pack(tmp_path, {"actions/a.yaml": "name: a\nrunner_type: noop\n"}, "beta")
    heard(told, set())
    touched(told, tmp_path / "beta" / "actions" / "a.yaml", {"beta"})
    shutil.rmtree(tmp_path / "beta")
    heard(told, set())


def test_a_folder_of_packs_may_come_later(tmp_path: Path, watch: Watch):
    told = watch(tmp_path / "later")
    write_pack(tmp_path / "later", {}, "alpha")
    heard(told, set())
    touched(told, tmp_path / "later" / "alpha" / "pack.yaml", {"alpha"})


def test_a_pack_that_a_link_leads_to_is_watched_too(tmp_path: Path, watch: Watch):
    real = write_pack(tmp_path / "elsewhere", {}, "alpha")
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "alpha").symlink_to(real)
    told = watch(tmp_path / "packs")
    touched(told, real / "pack.yaml", {"alpha"})
