"""Tests of action aliases."""

from __future__ import annotations

from pathlib import Path

from st2common.exceptions.content import ParseException
from st2common.models.utils.action_alias_utils import (
    extract_parameters,
    extract_parameters_for_action_alias_db,
)
from st2tests.pack_resource import BasePackResourceTestCase

__all__ = ["BaseActionAliasTestCase"]


class _Alias:
    """An alias as its file describes it."""

    def __init__(self, content):
        self.formats = []
        self.__dict__.update(content)

    def get_format_strings(self):
        """All representations of all formats."""
        found: list[str] = []
        for item in self.formats:
            texts = item.get("representation", []) if isinstance(item, dict) else item
            found += [texts] if isinstance(texts, str) else texts
        return found


class BaseActionAliasTestCase(BasePackResourceTestCase):
    """Set ``action_alias_name``; ``self.action_alias_db`` is that alias."""

    action_alias_name = None
    action_alias_db = None

    def setUp(self):
        """Find the alias in the pack."""
        super().setUp()
        if not self.action_alias_name:
            raise ValueError('"action_alias_name" class attribute needs to be provided')
        self.action_alias_db = self._get_action_alias_db_by_name(self.action_alias_name)

    def assertCommandMatchesExactlyOneFormatString(self, format_strings, command):
        """Fail unless exactly one of ``format_strings`` fits ``command``."""
        matched = [text for text in format_strings if self._fits(text, command)]
        if not matched:
            raise AssertionError(f'Command "{command}" didn\'t match any of the provided format strings')
        if len(matched) > 1:
            raise AssertionError(f'Command "{command}" matched multiple format strings: {", ".join(matched)}')

    def assertExtractedParametersMatch(self, format_string, command, parameters):
        """Fail unless ``command`` gives ``parameters``."""
        found = extract_parameters_for_action_alias_db(self.action_alias_db, format_string, command)
        self.assertEqual(  # noqa: PT009  # a TestCase
            found, parameters, f'Command "{command}", format string "{format_string}"'
        )

    @staticmethod
    def _fits(text, command):
        try:
            extract_parameters(text, command)
        except ParseException:
            return False
        return True

    def _get_action_alias_db_by_name(self, name):
        import yaml  # the one module beyond the standard library: aliases are YAML files

        folder = Path(self._get_base_pack_path()) / "aliases"
        for path in sorted(folder.glob("*.y*ml")):
            content = yaml.safe_load(path.read_text("utf-8"))
            if content.get("name") == name:
                return _Alias(content)
        raise ValueError(f'Alias with name "{name}" not found')
