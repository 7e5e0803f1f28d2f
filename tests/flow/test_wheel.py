"""The wheel, installed in an empty virtualenv away from the checkout, runs the platform with every shipped pack."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
PACKS = {path.parent.name for path in (ROOT / "packs").glob("*/pack.yaml")}
#: Minor versions of Python 3 that are supported.
MINORS = (11, 12, 13)


def interpreter(minor: int) -> Path | None:
    """A Python 3.``minor`` of this machine that works and can make virtualenvs; None when there is none."""
    named = shutil.which(f"python3.{minor}")
    candidates = [Path(sys.executable)] if sys.version_info[:2] == (3, minor) else []
    candidates += [Path(named)] if named else []
    candidates += sorted((Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/python"))
    probe = f"import sys, venv, ensurepip; assert sys.version_info[:2] == (3, {minor})"
    for candidate in candidates:
        if subprocess.run([str(candidate), "-c", probe], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(params=MINORS)
def installed(request: pytest.FixtureRequest, wheel: Path, tmp_path: Path) -> Path:
    """The folder of the programs of a virtualenv that holds the wheel and its locked dependencies."""
    python = interpreter(request.param)
    if python is None:
        pytest.skip(f"This machine has no Python 3.{request.param}; install one to test the wheel on it.")
    uv = Path(sys.executable).parent / "uv"
    environment = tmp_path / "venv"
    subprocess.run([str(uv), "venv", "--quiet", "--python", str(python), str(environment)], check=True)
    install = [str(uv), "pip", "install", "--quiet", "--python", str(environment / "bin" / "python")]
    locked = ["--require-hashes", "-r", str(ROOT / "requirements" / "runtime.txt")]
    subprocess.run([*install, *locked], check=True, cwd=tmp_path)
    subprocess.run([*install, "--no-deps", str(wheel)], check=True, cwd=tmp_path)
    return environment / "bin"


@pytest.mark.timeout(300)
def test_the_wheel_runs_the_platform_with_every_pack(installed: Path, tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ST_OPS_", "PYTHON"))}
    with (tmp_path / "log").open("w") as log:
        up = [str(installed / "st-ops"), "up", "--home", str(home), "--port", "0"]
        process = subprocess.Popen(up, cwd=elsewhere, env=clean, stdout=log, stderr=log)
    try:
        server = home / "server.json"
        eventually(lambda: server.exists() or process.poll() is not None, 30, "the platform to be ready")
        assert process.poll() is None, (tmp_path / "log").read_text()
        token = (home / "admin.token").read_text().strip()
        with httpx.Client(
            base_url=json.loads(server.read_text())["url"] + "/v1", headers={"X-Auth-Token": token}
        ) as client:
            assert {pack["ref"] for pack in client.get("/packs").json()} == PACKS
        run = [str(installed / "st-ops"), "--home", str(home), "run", "core.uuid", "--json"]
        done = subprocess.run(run, cwd=elsewhere, env=clean, capture_output=True, text=True, check=True)
        assert len(json.loads(done.stdout)["result"]["result"]) == 36
    finally:
        process.terminate()
        process.wait(30)
