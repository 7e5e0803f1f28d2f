"""One served API per test file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.api.api_stage import ApiStage


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiStage]:
    """The API, served; shared by the tests of one file."""
    stage = ApiStage(tmp_path_factory.mktemp("api"))
    yield stage
    stage.close()
