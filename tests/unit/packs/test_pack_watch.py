from __future__ import annotations

import queue

from st_ops.packs.watch import PackWatcher
from tests.unit.packs.pack_folders import write_pack


def test_a_changed_file_is_told_by_the_ref_of_its_pack_and_watching_survives_a_failure(tmp_path):
    folders = {name: write_pack(tmp_path, {}, name) for name in ("alpha", "beta")}
    told: queue.Queue[set[str]] = queue.Queue()
    ready = False

    def changed(refs):
        told.put(refs)
        raise RuntimeError("the reload failed")

    watcher = PackWatcher(folders, changed)
    watcher.start()
    try:
        # The watch begins a moment after the start: touch until it is noticed.
        for attempt in range(100):
            (folders["alpha"] / "new.yaml").write_text(str(attempt))
            try:
                assert told.get(timeout=0.2) == {"alpha"}
            except queue.Empty:
                continue
            ready = True
            break
        assert ready
        (folders["beta"] / "pack.yaml").write_text("name: beta\n")
        refs: set[str] = set()
        while "beta" not in refs:
            refs = told.get(timeout=10)
    finally:
        watcher.stop()
        watcher.stop()
