"""What every storage of artifacts must do: a folder, and S3."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import boto3
import pytest

from st_ops.artifacts.keeping import Artifacts
from st_ops.artifacts.local import LocalStorage
from st_ops.artifacts.storage import Storage, storage_for
from st_ops.errors import NotFound, Unavailable, UserError
from st_ops.model.executions import Execution
from st_ops.settings import ArtifactSettings
from tests.servers.moto import Moto
from tests.servers.process import free_port

BUCKET = "kept"


@pytest.fixture(params=["folder", "s3"])
def settings(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ArtifactSettings:
    if request.param == "folder":
        return ArtifactSettings(url=(tmp_path / "artifacts").as_uri())
    moto: Moto = request.getfixturevalue("moto")
    for name, value in moto.environment.items():
        if name != "AWS_ENDPOINT_URL":
            monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=moto.url, region_name=moto.region)
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    client.close()
    return ArtifactSettings(url=f"s3://{BUCKET}/some/prefix", endpoint_url=moto.url, region=moto.region)


@pytest.fixture
def storage(settings: ArtifactSettings) -> Storage:
    return storage_for(settings.url, settings)


@pytest.fixture
def kept(settings: ArtifactSettings, tmp_path: Path) -> Artifacts:
    return Artifacts(settings, tmp_path / "unused")


def put(storage: Storage, key: str, data: bytes) -> str:
    with BytesIO(data) as source:
        return storage.put(key, source, len(data))  # type: ignore[arg-type]


def content(pieces: Iterator[bytes]) -> bytes:
    return b"".join(pieces)


# The storage


def test_what_was_put_comes_back(storage: Storage) -> None:
    data = os.urandom(700_000)
    location = put(storage, "ab/run/a name with spaces % and ümläuts.bin", data)
    assert content(storage.read(location)) == data


def test_an_empty_file_comes_back_empty(storage: Storage) -> None:
    assert content(storage.read(put(storage, "a/empty", b""))) == b""


def test_a_part_can_be_read(storage: Storage) -> None:
    location = put(storage, "a/b", b"0123456789")
    assert content(storage.read(location, 3, 4)) == b"3456"
    assert content(storage.read(location, 8)) == b"89"
    assert content(storage.read(location, 3, 0)) == b""


def test_the_same_key_again_replaces(storage: Storage) -> None:
    put(storage, "a/b", b"old")
    assert content(storage.read(put(storage, "a/b", b"new"))) == b"new"


def test_what_is_removed_is_gone_and_may_be_removed_again(storage: Storage) -> None:
    locations = [put(storage, f"a/b/{number}", b"x") for number in range(3)]
    storage.remove(locations[:2])
    storage.remove(locations[:2])
    with pytest.raises(NotFound):
        storage.read(locations[0])
    assert content(storage.read(locations[2])) == b"x"


def test_what_never_was_there_is_not_found(storage: Storage) -> None:
    location = put(storage, "a/b", b"x")
    with pytest.raises(NotFound):
        storage.read(location + "c")


def test_many_write_at_once(storage: Storage) -> None:
    found: dict[int, str] = {}

    def write(number: int) -> None:
        found[number] = put(storage, f"a/{number}", str(number).encode())

    threads = [threading.Thread(target=write, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: content(storage.read(at)) for number, at in found.items()} == {
        number: str(number).encode() for number in range(8)
    }


def test_a_storage_that_is_there_answers_a_ping(storage: Storage) -> None:
    storage.ping()


# Keeping what a run left


def a_run(**fields: object) -> Execution:
    return Execution.model_validate(
        {"action": "core.local", "runner": "local-shell-cmd", "attempt": 1, "token": 3, **fields}
    )


def written(folder: Path, **files: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_the_files_of_a_run_are_kept_with_size_and_digest(kept: Artifacts, tmp_path: Path) -> None:
    folder = written(tmp_path / "out", report=b"hello")
    written(folder / "sub", deep=b"")
    found = kept.keep(a_run(), folder)
    assert found.notes == []
    assert [(one.name, one.size) for one in found.artifacts] == [("report", 5), ("sub/deep", 0)]
    assert found.artifacts[0].digest == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert content(kept.read(found.artifacts[0])) == b"hello"
    assert content(kept.read(found.artifacts[0], 1, 3)) == b"ell"


def test_an_artifact_is_fetched_into_a_file(kept: Artifacts, tmp_path: Path) -> None:
    (one,) = kept.keep(a_run(), written(tmp_path / "out", report=b"hello")).artifacts
    kept.fetch(one, tmp_path / "in" / "report")
    assert (tmp_path / "in" / "report").read_bytes() == b"hello"


def test_a_damaged_artifact_is_refused(kept: Artifacts, tmp_path: Path) -> None:
    (one,) = kept.keep(a_run(), written(tmp_path / "out", report=b"hello")).artifacts
    with pytest.raises(Unavailable, match="is not what was put there"):
        kept.fetch(one.model_copy(update={"digest": "0" * 64}), tmp_path / "report")


def test_two_runs_of_one_execution_do_not_overwrite_each_other(kept: Artifacts, tmp_path: Path) -> None:
    run = a_run()
    (first,) = kept.keep(run, written(tmp_path / "out", report=b"first")).artifacts
    again = run.model_copy(update={"token": 4})
    (second,) = kept.keep(again, written(tmp_path / "out", report=b"second")).artifacts
    kept.remove([second.location])
    assert content(kept.read(first)) == b"first"


# What is kept of a folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


def in_folder(here: Path, **settings: int) -> Artifacts:
    return Artifacts(ArtifactSettings.model_validate(settings), here)


def test_links_are_not_followed_and_special_files_not_opened(here: Path, tmp_path: Path) -> None:
    secret = tmp_path / "shadow"
    secret.write_text("root:x")
    folder = written(tmp_path / "out", good=b"x")
    (folder / "link").symlink_to(secret)
    (folder / "dangling").symlink_to("nowhere")
    (folder / "elsewhere").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(folder / "pipe")
    found = in_folder(here).keep(a_run(), folder)
    assert [one.name for one in found.artifacts] == ["good"]
    assert sorted(found.notes) == [
        "The artifact 'dangling' was not kept: it is a link.",
        "The artifact 'elsewhere' was not kept: it is a link.",
        "The artifact 'link' was not kept: it is a link.",
        "The artifact 'pipe' was not kept: it is no regular file.",
    ]


def test_files_over_the_caps_are_left_out_with_a_note(here: Path, tmp_path: Path) -> None:
    folder = written(tmp_path / "out", a=b"x" * 11, b=b"x" * 8, c=b"x" * 5, d=b"x", e=b"x", f=b"x")
    found = in_folder(here, file_bytes=10, execution_bytes=11, files=3).keep(a_run(), folder)
    assert [one.name for one in found.artifacts] == ["b", "d", "e"]
    assert found.notes == [
        "The artifact 'a' was not kept: its 11 bytes are more than setting 'artifacts.file_bytes' (10) allows.",
        "The artifact 'c' was not kept: with its 5 bytes they would exceed setting 'artifacts.execution_bytes' (11).",
        "The artifact 'f' was not kept: there are more than setting 'artifacts.files' (3) allows.",
    ]


def test_names_are_made_fit_to_be_shown_and_sent(here: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for name in (b"line\nbreak", b"line\tbreak", b"latin\xff"):
        (folder / os.fsdecode(name)).write_bytes(name)
    found = in_folder(here).keep(a_run(), folder)
    assert [one.name for one in found.artifacts] == ["latin_", "line_break"]
    assert found.notes == [
        (
            "The artifact 'line_break' was not kept: there is another one whose name differs only in characters that "
            "names may not have."
        )
    ]


def test_a_name_that_is_too_long_is_left_out(here: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    deep = folder.joinpath(*["x" * 200] * 5)
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    (note,) = in_folder(here).keep(a_run(), folder).notes
    assert note.endswith("was not kept: its name is longer than 800 bytes.")


def test_many_notes_are_told_shortly(here: Path, tmp_path: Path) -> None:
    folder = written(tmp_path / "out", **{f"f{number:02}": b"x" for number in range(30)})
    notes = in_folder(here, files=0).keep(a_run(), folder).notes
    assert len(notes) == 21
    assert notes[-1] == "10 more were not kept."


def test_a_storage_that_is_away_costs_the_artifact_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setattr("st_ops.artifacts.s3._TRIES", 1)
    away = ArtifactSettings(
        url="s3://b", endpoint_url=f"http://127.0.0.1:{free_port()}", region="eu-central-1"
    )
    kept = Artifacts(away, tmp_path)
    found = kept.keep(a_run(), written(tmp_path / "out", report=b"x"))
    assert found.artifacts == []
    assert found.notes[0].startswith("The artifact 'report' was not kept: The S3 bucket b is not available")
    with pytest.raises(Unavailable):
        kept.ping()


def test_removing_leaves_no_empty_folders(here: Path, tmp_path: Path) -> None:
    kept = in_folder(here)
    found = kept.keep(a_run(), written(tmp_path / "out", a=b"x", b=b"x"))
    kept.remove([one.location for one in found.artifacts])
    assert list(here.iterdir()) == []


def test_a_folder_of_another_host_is_named(here: Path) -> None:
    with pytest.raises(NotFound, match=r"It was kept in a folder of host elsewhere.*S3 bucket"):
        LocalStorage(here.as_uri()).read("file://elsewhere/var/artifacts/x")


def test_what_was_kept_before_the_setting_changed_is_still_found(here: Path, tmp_path: Path) -> None:
    (one,) = in_folder(here).keep(a_run(), written(tmp_path / "out", report=b"hello")).artifacts
    moved = Artifacts(ArtifactSettings(url=(tmp_path / "new").as_uri()), here)
    assert content(moved.read(one)) == b"hello"
    moved.remove([one.location])
    with pytest.raises(NotFound):
        moved.read(one)


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://", "artifacts"])
def test_a_place_of_another_kind_is_refused_at_the_start(url: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"artifacts\.url"):
        Artifacts(ArtifactSettings(url=url), tmp_path)
