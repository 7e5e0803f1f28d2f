from __future__ import annotations

import pytest

from tests.packs.aws.aws_setting import Aws


@pytest.fixture
def aws(moto_url: str) -> Aws:
    """The aws pack, configured for an empty AWS on loopback."""
    return Aws(moto_url)
