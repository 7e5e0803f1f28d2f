from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from st_ops.runners.options import RunnerOptions
from st_ops.runners.python_script import PythonScriptRunner
from st_ops.runners.sandbox.pool import SandboxPool
from st_ops.runners.shell import LocalShellRunner
from tests.unit.runners.running import KeyValues, Lines


@pytest.fixture(scope="session")
def work_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="session")
def runner_options(work_root: Path) -> RunnerOptions:
    return RunnerOptions(
        grace_seconds=0.5, output_bytes=200_000, result_bytes=1_000_000, work_root=str(work_root)
    )


@pytest.fixture(scope="session")
def pool(runner_options: RunnerOptions) -> Iterator[SandboxPool]:
    pool = SandboxPool(runner_options)
    yield pool
    pool.close()


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture(scope="session")
def key_values() -> KeyValues:
    return KeyValues()


@pytest.fixture(scope="session")
def shell(runner_options: RunnerOptions, pool: SandboxPool) -> LocalShellRunner:
    return LocalShellRunner(runner_options, pool)


@pytest.fixture(scope="session")
def python(runner_options: RunnerOptions, pool: SandboxPool, key_values: KeyValues) -> PythonScriptRunner:
    return PythonScriptRunner(runner_options, pool, key_values)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "thepack"
    folder.mkdir()
    return folder


@pytest.fixture
def own_pool(tmp_path: Path) -> Iterator[SandboxPool]:
    """Sandboxes of one test alone, which it may stop and kill."""
    pool = SandboxPool(RunnerOptions(work_root=str(tmp_path / "work"), grace_seconds=0.5))
    yield pool
    pool.close()


@pytest.fixture
def own_python(own_pool: SandboxPool) -> PythonScriptRunner:
    return PythonScriptRunner(RunnerOptions(), own_pool, KeyValues())
