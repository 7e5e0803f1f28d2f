from __future__ import annotations

import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from st_ops.model.resources import Pack
from st_ops.packs.virtualenvs import VirtualenvFailed, Virtualenvs, find_python, needs_virtualenv


def wheel(folder: Path) -> Path:
    """A wheel with one module, so that nothing need be downloaded."""
    path = folder / "tinything-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tinything.py", "VALUE = 42\n")
        file.writestr(
            "tinything-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinything\nVersion: 1.0\n"
        )
        file.writestr(
            "tinything-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr("tinything-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def pack(tmp_path):
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "requirements.txt").write_text(f"# what it needs\n{wheel(tmp_path)}\n")
    return Pack(ref="demo", name="demo", path=str(folder))


@pytest.fixture
def virtualenvs(tmp_path):
    return Virtualenvs(tmp_path / "virtualenvs", base=())


def test_a_pack_without_requirements_runs_on_the_platforms_python(virtualenvs, tmp_path):
    pack = Pack(ref="plain", name="plain", path=str(tmp_path))
    assert virtualenvs.is_current(pack)
    assert virtualenvs.build(pack) == Path(sys.executable)


def test_requirements_are_installed_and_rebuilt_only_when_they_change(virtualenvs, pack):
    assert not virtualenvs.is_current(pack)
    python = virtualenvs.build(pack)
    done = subprocess.run(
        [python, "-c", "import tinything, sys; print(tinything.VALUE, sys.prefix)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["42", str(python.parent.parent)]
    made = python.parent.stat().st_ino
    assert virtualenvs.is_current(pack)
    virtualenvs.build(pack)
    assert python.parent.stat().st_ino == made
    requirements = Path(pack.path) / "requirements.txt"
    requirements.write_text(requirements.read_text() + "# changed\n")
    assert not virtualenvs.is_current(pack)
    virtualenvs.build(pack)
    assert python.parent.stat().st_ino != made


def test_two_builders_at_once_end_with_one_whole_virtualenv(virtualenvs, pack):
    built: list[Path] = []
    threads = [threading.Thread(target=lambda: built.append(virtualenvs.build(pack))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(built) == 3
    assert len(set(built)) == 1
    assert virtualenvs.is_current(pack)
    assert [path.name for path in built[0].parent.parent.parent.iterdir() if path.is_dir()] == ["demo"]


def test_a_failed_installation_keeps_the_old_virtualenv_and_says_why(virtualenvs, pack):
    python = virtualenvs.build(pack)
    (Path(pack.path) / "requirements.txt").write_text("/absent/nothing-1.0-py3-none-any.whl\n")
    with pytest.raises(
        VirtualenvFailed, match=r"requirements of the pack 'demo' cannot be installed.*nothing"
    ):
        virtualenvs.build(pack)
    assert python.exists()


def test_a_python_that_is_not_here_is_reported_with_those_that_are():
    with pytest.raises(VirtualenvFailed, match=r"needs Python >=99, but only .*3\.\d+"):
        find_python(">=99", "demo")
    assert find_python(">=3.8", "demo") == sys.executable


def test_comments_alone_are_no_requirements_but_another_python_is(tmp_path):
    (tmp_path / "requirements.txt").write_text("# nothing\n\n")
    assert not needs_virtualenv(Pack(ref="a", name="a", path=str(tmp_path)))
    assert not needs_virtualenv(Pack(ref="a", name="a", path=str(tmp_path), python=">=3.8"))
    assert needs_virtualenv(Pack(ref="a", name="a", path=str(tmp_path), python="<3.8"))
