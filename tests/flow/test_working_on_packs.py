"""Working on packs with ``up --dev``: what is saved is there, new packs too, and what is wrong is said."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from st_ops.services import Platform
from st_ops.settings import load
from tests.unit.packs.pack_folders import write_pack
from tests.waiting import eventually


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    settings = load({"home": tmp_path / "home", "packs": {"dirs": [str(tmp_path / "packs")]}})
    made = Platform(settings, ("rules", "sensors"), dev=True)
    (tmp_path / "packs").mkdir()
    made.open()
    yield made
    made.close()


def test_a_new_pack_a_changed_file_and_a_wrong_one(
    platform: Platform, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    def registered(ref: str, description: str) -> bool:
        action = platform.catalog.current().actions.get(ref)
        return action is not None and action.description == description

    text = "name: hello\nrunner_type: noop\ndescription: {}\n"
    with caplog.at_level(logging.INFO, "st_ops"):
        folder = write_pack(tmp_path / "packs", {"actions/hello.yaml": text.format("first")}, "mine")
        eventually(lambda: registered("mine.hello", "first"))
        (folder / "actions" / "hello.yaml").write_text(text.format("second"))
        eventually(lambda: registered("mine.hello", "second"))
        wrong = folder / "rules" / "wrong.yaml"
        wrong.parent.mkdir()
        wrong.write_text("name: wrong\ntrigger: {type: core.st2.webhook}\naction: core.noop\n")
        eventually(lambda: f"{wrong}:3: action: " in caplog.text)
    assert registered("mine.hello", "second")
