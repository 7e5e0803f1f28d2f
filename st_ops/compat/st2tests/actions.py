"""Tests of Python actions."""

from typing import Any

from st2common.runners.utils import get_action_class_instance
from st2tests.mocks.action import MockActionService, MockActionWrapper
from st2tests.pack_resource import BasePackResourceTestCase

__all__ = ["BaseActionTestCase"]


class BaseActionTestCase(BasePackResourceTestCase):
    """Set ``action_cls``; ``get_action_instance`` makes one with a datastore in memory."""

    action_cls: Any = None

    def setUp(self):
        """Make the action service."""
        super().setUp()
        wrapper = MockActionWrapper(pack="tests", class_name=self.action_cls.__name__)
        self.action_service = MockActionService(action_wrapper=wrapper)

    def get_action_instance(self, config=None):
        """An action with ``config``."""
        return get_action_class_instance(self.action_cls, config=config, action_service=self.action_service)
