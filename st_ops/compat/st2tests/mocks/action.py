"""Stand-ins for actions."""

from logging import RootLogger
from unittest.mock import Mock

from st2tests.mocks.datastore import MockDatastoreService

from st_ops.sdk.stackstorm import ActionService
from st_ops.sdk.testing import FakePlatform

__all__ = ["MockActionService", "MockActionWrapper"]


class MockActionWrapper:
    """Names the pack and the class."""

    def __init__(self, pack, class_name):
        self._pack = pack
        self._class_name = class_name


class MockActionService(ActionService):
    """An action service over a datastore in memory."""

    def __init__(self, action_wrapper):
        super().__init__(
            FakePlatform(), action_wrapper._pack, action_wrapper._class_name, Mock(spec=RootLogger)
        )
        self._datastore = MockDatastoreService(self._logger, self._pack, self._class_name)
