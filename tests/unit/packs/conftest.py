from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from st_ops.packs.loader import LoadedPack, load_pack
from tests.unit.packs.pack_folders import write_pack

Load = Callable[[dict[str, str]], LoadedPack]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write the given files as a pack and load it."""
    return lambda files: load_pack(write_pack(tmp_path, files))
