"""Results and artifacts over HTTP: large ones in pieces, secret ones masked."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from st_ops.model.artifacts import Artifact
from st_ops.store import artifacts, executions
from tests.unit.api.api_stage import ApiStage


def ended(stage: ApiStage, result: object, action: str = "core.noop") -> str:
    made = stage.admin.post("/v1/executions", json={"action": action}).json()["id"]
    stage.finish(made, result)
    return str(made)


@pytest.mark.parametrize("result", [{"a": [1, None, "é"]}, ["x" * 50_000, "y"], "plain", 0, False])
def test_a_result_is_passed_on_as_it_is(stage: ApiStage, result: object):
    path = f"/v1/executions/{ended(stage, result)}/result"
    answer = stage.user.get(path)
    assert answer.json() == result
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert stage.user.get(path, params={"pretty_format": "true"}).json() == result


def test_a_large_result_is_handed_on_piece_by_piece(stage: ApiStage):
    size = 40_000_000
    path = f"/v1/executions/{ended(stage, {'text': 'x' * size})}/result?download=true"
    tracemalloc.start()
    total = 0
    with stage.user.stream("GET", path) as answer:
        for piece in answer.iter_raw():
            total += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == int(answer.headers["Content-Length"]) > size
    assert peak < size / 4


def test_what_is_sealed_in_a_result_is_masked_also_in_a_download(stage: ApiStage):
    result = {"password": stage.box.seal_value("hunter22"), "pad": "x" * 100_000}
    path = f"/v1/executions/{ended(stage, result)}/result?compress=true"
    with stage.user.stream("GET", path) as answer:
        text = gzip.decompress(b"".join(answer.iter_raw())).decode()
    assert '"password":"********"' in text
    assert stage.admin.get(path, params={"show_secrets": "true"}).json()["password"] == "hunter22"
    assert stage.user.get(path, params={"show_secrets": "true"}).status_code == 403


def test_there_is_no_result_before_the_end(stage: ApiStage):
    made = stage.admin.post("/v1/executions", json={"action": "core.noop"}).json()["id"]
    assert stage.user.get(f"/v1/executions/{made}/result").status_code == 404


@pytest.fixture
def left(stage: ApiStage, tmp_path: Path) -> Artifact:
    identifier = ended(stage, {})
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / 'a "strange" näme.txt').write_text("hello world")
    with stage.database.write() as tx:
        execution = executions.get(tx, identifier)
        assert execution is not None
        (found,) = stage.artifacts.keep(execution, tmp_path).artifacts
        artifacts.put(tx, [found])
    return found


def test_artifacts_are_listed_without_their_place(stage: ApiStage, left: Artifact):
    (shown,) = stage.user.get(f"/v1/executions/{left.execution_id}/artifacts").json()
    assert shown["name"] == 'sub/a "strange" näme.txt'
    assert (shown["size"], shown["digest"]) == (11, left.digest)
    assert "location" not in shown


def test_an_artifact_is_a_download_that_no_browser_shows(stage: ApiStage, left: Artifact):
    answer = stage.user.get(f"/v1/executions/{left.execution_id}/artifacts/{left.name}")
    assert answer.text == "hello world"
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=\"a _strange_ n_me.txt\"; filename*=UTF-8''a%20%22strange%22%20n%C3%A4me.txt"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Length"] == "11"


def test_an_artifact_whose_file_is_gone_is_not_found(stage: ApiStage, left: Artifact):
    stage.artifacts.remove([left.location])
    assert stage.user.get(f"/v1/executions/{left.execution_id}/artifacts/{left.name}").status_code == 404


def test_artifacts_need_a_token(stage: ApiStage, left: Artifact):
    assert stage.nobody.get(f"/v1/executions/{left.execution_id}/artifacts/{left.name}").status_code == 401


def test_artifacts_of_what_does_not_exist_are_not_found(stage: ApiStage):
    assert stage.user.get(f"/v1/executions/{'f' * 24}/artifacts").status_code == 404
