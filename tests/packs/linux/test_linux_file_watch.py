from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from st_ops.sdk.testing import Emitted, FakePlatform, context
from tests.packs.pack_files import pack_file
from tests.waiting import eventually


class Watch:
    """The sensor over a platform that outlives it, looking when told."""

    def __init__(self, *paths: Path | str, triggers: list[dict[str, Any]] | None = None) -> None:
        self.platform = FakePlatform()
        self.triggers = triggers or []
        self._config = {"file_watch_paths": [str(path) for path in paths]}
        self._watcher: Any = None
        self.restart()

    def restart(self) -> None:
        self.close()
        ctx = context(self.platform, pack="linux", config=self._config, triggers=self.triggers)
        self._watcher = pack_file("linux", "sensors/file_watch.py").Watcher(ctx)

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.close()

    def look(self) -> list[Emitted]:
        """What one look emits."""
        before = len(self.platform.emitted)
        self._watcher.look()
        return self.platform.emitted[before:]

    def lines(self) -> list[str]:
        return [event.payload["line"] for event in self.look() if event.trigger == "linux.file_line"]

    def appeared(self) -> list[str]:
        return [event.payload["file_name"] for event in self.look() if event.trigger == "linux.file_appeared"]


Watching = Callable[..., Watch]


@pytest.fixture
def watching() -> Iterator[Watching]:
    """A factory of watches that are closed after the test."""
    made: list[Watch] = []

    def watch(*paths: Path | str) -> Watch:
        made.append(Watch(*paths))
        return made[-1]

    yield watch
    for one in made:
        one.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_lines_are_told_once_and_only_when_they_are_complete(watching: Watching, log: Path):
    watch = watching(log)
    assert watch.lines() == []
    append(log, "one\ntwo\nthr")
    assert watch.lines() == ["one", "two"]
    append(log, "ee\n")
    assert watch.lines() == ["three"]
    assert watch.lines() == []


def test_a_file_that_was_there_before_anybody_watched_is_told_from_its_end(watching: Watching, log: Path):
    append(log, "old\n")
    watch = watching(log)
    assert watch.lines() == []
    append(log, "new\n")
    assert watch.lines() == ["new"]


def test_a_rotated_file_is_read_to_its_end_and_then_the_new_one(watching: Watching, log: Path):
    watch = watching(log)
    watch.look()
    append(log, "one\n")
    assert watch.lines() == ["one"]
    append(log, "two\nthree without an end")
    log.rename(log.with_suffix(".log.1"))
    append(log, "four\n")

    assert watch.lines() == ["two", "three without an end", "four"]


def test_a_file_rotated_while_nobody_watched_is_read_to_its_end(watching: Watching, log: Path):
    watch = watching(log)
    watch.look()
    append(log, "one\n")
    watch.look()
    append(log, "two\n")
    log.rename(log.with_suffix(".log.1"))
    append(log, "three\n")
    watch.restart()

    assert watch.lines() == ["two", "three"]


def test_a_truncated_file_is_read_from_its_start(watching: Watching, log: Path):
    watch = watching(log)
    watch.look()
    append(log, "one\ntwo\n")
    watch.look()
    log.write_text("new\n")

    assert watch.lines() == ["new"]


def test_a_file_deleted_and_made_anew_is_read_whole(watching: Watching, log: Path):
    watch = watching(log)
    watch.look()
    append(log, "one\n")
    watch.look()
    log.unlink()
    assert watch.lines() == []
    append(log, "another and longer one\n")

    assert watch.lines() == ["another and longer one"]


def test_after_a_restart_reading_goes_on_where_it_stopped(watching: Watching, log: Path):
    watch = watching(log)
    watch.look()
    append(log, "one\n")
    watch.look()
    append(log, "two\n")
    watch.restart()

    assert watch.lines() == ["two"]


def test_a_line_emitted_again_after_a_crash_is_the_same_delivery(
    watching: Watching, log: Path, monkeypatch: pytest.MonkeyPatch
):
    watch = watching(log)
    watch.look()
    append(log, "one\n")
    keep = watch.platform._set

    def crash(name: str, **more: Any) -> bool:
        if "/position/" in name:
            raise ConnectionError
        return keep(name, **more)

    monkeypatch.setattr(watch.platform, "_set", crash)
    with pytest.raises(ConnectionError):
        watch.look()
    monkeypatch.undo()
    watch.restart()
    watch.look()

    first, again = [event for event in watch.platform.emitted if event.trigger == "linux.file_line"]
    assert first.delivery == again.delivery


def test_the_same_line_after_a_truncation_is_another_delivery(watching: Watching, log: Path):
    watch = watching(log)
    watch.look()
    for text in ("start\nmore\n", "start\n"):
        log.write_text(text)
        watch.look()

    deliveries = [event.delivery for event in watch.platform.emitted if event.trigger == "linux.file_line"]
    assert len(deliveries) == len(set(deliveries)) == 3


def test_a_line_longer_than_the_limit_comes_in_pieces(watching: Watching, log: Path):
    watch = watching(log)
    watch.look()
    append(log, "x" * 150_000 + "\n")

    assert [len(line) for line in watch.lines()] == [65_536, 65_536, 18_928]


def test_a_file_that_appears_is_told_once_and_those_there_before_are_not(watching: Watching, tmp_path: Path):
    (tmp_path / "old.csv").touch()
    watch = watching(tmp_path / "*.csv")
    assert watch.appeared() == []
    (tmp_path / "new.csv").write_text("1,2,3")
    (event,) = [one for one in watch.look() if one.trigger == "linux.file_appeared"]
    assert (event.payload["file_name"], event.payload["size"]) == ("new.csv", 5)
    assert watch.appeared() == []


def test_a_file_that_appears_while_nobody_watches_is_told_afterwards(watching: Watching, tmp_path: Path):
    watch = watching(tmp_path / "*.csv")
    watch.look()
    (tmp_path / "new.csv").touch()
    watch.restart()

    assert watch.appeared() == ["new.csv"]


def test_a_file_that_appears_again_is_told_again(watching: Watching, tmp_path: Path):
    watch = watching(tmp_path / "*.csv")
    file = tmp_path / "new.csv"
    watch.look()
    for _time in range(2):
        file.touch()
        assert watch.appeared() == ["new.csv"]
        file.unlink()
        assert watch.appeared() == []


def test_a_path_that_a_rule_names_is_watched_for_that_rule_s_trigger(watching: Watching, log: Path):
    watch = watching()
    trigger = {"ref": "linux.5f2b", "type": "linux.file_line", "parameters": {"file_path": str(log)}}
    watch.triggers.append(trigger)
    watch.restart()
    watch.look()
    append(log, "one\n")

    (event,) = watch.look()
    assert (event.trigger, event.payload["line"]) == ("linux.5f2b", "one")


def test_the_sensor_looks_until_it_is_stopped(log: Path):
    platform, stopping = FakePlatform(), threading.Event()
    config = {"file_watch_paths": [str(log)], "file_watch_interval": 0.01}
    ctx = context(platform, pack="linux", config=config, stopping=stopping)
    thread = threading.Thread(target=pack_file("linux", "sensors/file_watch.py").file_watch, args=(ctx,))
    thread.start()
    eventually(lambda: len(platform.keys) >= 2, what="the first look")
    append(log, "one\n")
    eventually(lambda: [event for event in platform.emitted if event.trigger == "linux.file_line"])
    stopping.set()
    thread.join(10)

    assert not thread.is_alive()
