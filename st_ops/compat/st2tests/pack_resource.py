"""What all tests of pack resources share."""

import inspect
from pathlib import Path
from unittest import TestCase

__all__ = ["BasePackResourceTestCase"]


class BasePackResourceTestCase(TestCase):
    """Finds the pack, and the files in its ``tests/fixtures``."""

    def get_fixture_content(self, fixture_path):
        """The text of a file in ``tests/fixtures``."""
        return (Path(self._get_base_pack_path()) / "tests" / "fixtures" / fixture_path).read_text("utf-8")

    def _get_base_pack_path(self):
        return str(Path(inspect.getfile(type(self))).resolve().parent.parent)
