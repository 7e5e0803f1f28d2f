"""A served API and the command line on it, as a person uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from st_ops.cli.main import main
from tests.unit.api.api_stage import ApiStage


@dataclass(frozen=True)
class Said:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


Cli = Callable[..., Said]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiStage]:
    """The API, served; shared by the tests of one file."""
    stage = ApiStage(tmp_path_factory.mktemp("cli"))
    yield stage
    stage.close()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command without a server being named."""
    for name in ("ST_OPS_URL", "ST_OPS_TOKEN", "ST_OPS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: Any) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        code = ended.value.code
        return Said(code if isinstance(code, int) else 0, out, err)

    return run


@pytest.fixture
def cli(bare: Cli, stage: ApiStage, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command against the served API, as its administrator."""
    monkeypatch.setenv("ST_OPS_URL", stage.url)
    monkeypatch.setenv("ST_OPS_TOKEN", stage.admin_token)
    return bare
