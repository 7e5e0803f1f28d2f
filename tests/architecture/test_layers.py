"""The shape of the code is what DESIGN says it is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from st_ops import errors

ROOT = Path(__file__).parents[2]

#: Lines a file may have; past 300 look for the second noun.
LONGEST = 400


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_imports_point_down_only():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_sdk_imports_the_standard_library_only():
    # StackStorm's own module names stand beside the SDK on the path of a child process.
    allowed = {
        *sys.stdlib_module_names,
        *(path.stem for path in (ROOT / "st_ops/compat").iterdir()),
        "st_ops",
    }
    found = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("st_ops/sdk")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in imported(node)
        if name.split(".")[0] not in allowed
        or (name.startswith("st_ops") and not name.startswith("st_ops.sdk"))
    }
    assert found == set()


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []


def test_no_file_is_longer_than_a_reader_bears():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources("st_ops", "packs")
        if (lines := len(path.read_text().splitlines())) > LONGEST
    }
    assert long == {}


def test_nothing_is_left_to_do_later():
    marks = re.compile(r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError|except:\s*$", re.MULTILINE)
    found = {
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in sources("st_ops", "packs", "benchmarks")
        for match in marks.finditer(path.read_text())
    }
    assert found == set()


@pytest.mark.parametrize("name", ["demo", "dev", "runtime"])
def test_the_lock_files_have_hashes_and_no_addresses(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert not re.search(r"://|--(extra-)?index-url|--find-links|@ file", text)
    pins = re.findall(r"^[A-Za-z0-9][^ ]*==", text, re.MULTILINE)
    hashed = re.findall(r"^[A-Za-z0-9][^ ]*==[^\n]*\\\n +--hash=sha256:", text, re.MULTILINE)
    assert pins
    assert len(pins) == len(hashed)


def test_the_lock_file_holds_every_dependency_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {
        line.split("==")[0].split("[")[0].lower().replace("_", "-")
        for line in (ROOT / "requirements" / "demo.txt").read_text().splitlines()
        if "==" in line
    }
    wanted = {re.split(r"[\[<>=!~ ]", each)[0].lower().replace("_", "-") for each in project["dependencies"]}
    assert wanted - locked == set()


def family(root: type[Exception]) -> list[type[Exception]]:
    return [root, *(one for child in root.__subclasses__() for one in family(child))]


def test_every_error_says_when_it_is_raised():
    silent = [
        error.__name__
        for error in family(errors.StOpsError)
        if not (error.__doc__ or "").startswith(("Raised when", "Root"))
    ]
    assert silent == []
