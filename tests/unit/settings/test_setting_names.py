"""What is said of a setting that is none, or whose value is wrong: which one was meant, and where it was named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from st_ops.errors import UserError
from st_ops.settings import load


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("ST_OPS_"):
            monkeypatch.delenv(name)


def refusal(home: Path) -> str:
    with pytest.raises(UserError) as refused:
        load({"home": home})
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[worker]\nslotz = 3\n",
            "There is no setting 'worker.slotz'. Did you mean 'worker.slots'? [worker] has ",
        ),
        ("[server]\nlevel = 'debug'\n", "There is no setting 'server.level'. Did you mean 'logs.level'?"),
        (
            "[workers]\nslots = 3\n",
            "There is no table [workers]. Did you mean [worker]? There are artifacts, bus, ",
        ),
        ("port = 9101\n", "There is no table [port]."),
        (
            "[worker]\nslots = 'many'\n",
            "Setting 'worker.slots' (from {path}): Input should be a valid integer",
        ),
        ("[worker\n", "is not valid TOML"),
    ],
)
def test_a_file_with_a_wrong_setting_is_named_with_what_was_meant(tmp_path: Path, text: str, said: str):
    path = tmp_path / "st_ops.toml"
    path.write_text(text)
    found = refusal(tmp_path)
    assert str(path) in found
    assert said.format(path=path) in found


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ST_OPS_STORE_URL", "x", "ST_OPS_STORE_URL is no setting. Did you mean ST_OPS_STORE__URL?"),
        (
            "ST_OPS_WORKER__SLOTZ",
            "3",
            "ST_OPS_WORKER__SLOTZ is no setting. Did you mean ST_OPS_WORKER__SLOTS?",
        ),
        ("ST_OPS_HOMR", "/x", "ST_OPS_HOMR is no setting. Did you mean ST_OPS_HOME?"),
        ("ST_OPS_NONSENSE", "x", "ST_OPS_NONSENSE is no setting. They are called ST_OPS_<TABLE>__<NAME>;"),
        ("ST_OPS_WORKER", '{"slots": 3}', "ST_OPS_WORKER is no setting."),
        ("ST_OPS_WORKER__SLOTS", "x", "Setting 'worker.slots' (from ST_OPS_WORKER__SLOTS): Input should be"),
        ("ST_OPS_WORKER__QUEUES", "gpu", "ST_OPS_WORKER__QUEUES must hold a list in JSON"),
    ],
)
def test_a_wrong_variable_is_named_with_what_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
):
    (tmp_path / "st_ops.toml").write_text("[worker]\nslots = 4\n")
    monkeypatch.setenv(variable, value)
    assert said in refusal(tmp_path)


def test_variables_that_are_no_settings_but_ours_are_let_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("URL", "TOKEN", "EXECUTION_ID", "ARTIFACTS", "FAULT_SEED", "DB_PASSWORD"):
        monkeypatch.setenv(f"ST_OPS_{name}", "x")
    monkeypatch.setenv("ST_OPS_WORKER__SLOTS", "5")
    assert load({"home": tmp_path}).worker.slots == 5


def test_a_wrong_value_on_the_command_line_says_so(tmp_path: Path):
    with pytest.raises(UserError, match=r"Setting 'port' \(from the command line\)"):
        load({"home": tmp_path, "server": {"port": 70_000}})
