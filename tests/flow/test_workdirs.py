"""A run's temporary folder is gone with the run, unless somebody wants to look into it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.flow.fixtures import MakePlatform


def test_a_run_leaves_its_folder_only_when_asked_to(make_platform: MakePlatform) -> None:
    platform = make_platform()
    platform.start()
    cmd = "echo hello > found.txt; pwd"
    gone = platform.await_status(platform.run("core.local", cmd=cmd))
    assert not Path(gone["result"]["stdout"]).exists()

    program = str(platform.home / "bin" / "st-ops")
    words = [program, "run", "core.local", f"cmd={cmd}", "--keep-workdir", "--home", str(platform.home)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    told = re.search(r"\[the working directory of this run is kept: (\S+) on \S+\]", done.stderr)
    assert told is not None, done.stderr
    folder = Path(told[1])
    assert str(folder) in done.stdout
    # It stays also when the platform ends.
    platform.stop()
    assert (folder / "found.txt").read_text() == "hello\n"
    (folder / "found.txt").unlink()
    folder.rmdir()
    folder.parent.rmdir()
