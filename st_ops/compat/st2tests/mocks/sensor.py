"""Stand-ins for sensors."""

from logging import RootLogger
from unittest.mock import Mock

from st2common.models.api.trace import TraceContext
from st2tests.mocks.datastore import MockDatastoreService

from st_ops.sdk.stackstorm import SensorService
from st_ops.sdk.testing import FakePlatform

__all__ = ["MockSensorService", "MockSensorWrapper"]


class MockSensorWrapper:
    """Names the pack and the class."""

    def __init__(self, pack, class_name):
        self._pack = pack
        self._class_name = class_name


class MockSensorService(SensorService):
    """Records what is dispatched; its logger is a mock, to be asked what was logged."""

    def __init__(self, sensor_wrapper):
        super().__init__(
            FakePlatform(), sensor_wrapper._pack, sensor_wrapper._class_name, Mock(spec=RootLogger)
        )
        self._sensor_wrapper = sensor_wrapper
        self._datastore = MockDatastoreService(self._logger, self._pack, self._class_name)
        self.dispatched_triggers = []

    def get_logger(self, name):
        """The mock."""
        return self._logger

    def dispatch(self, trigger, payload=None, trace_tag=None):
        """Record it."""
        context = TraceContext(trace_tag=trace_tag) if trace_tag else None
        return self.dispatch_with_context(trigger, payload, context)

    def dispatch_with_context(self, trigger, payload=None, trace_context=None):
        """Record it."""
        item = {"trigger": trigger, "payload": payload, "trace_context": trace_context}
        self.dispatched_triggers.append(item)
        return item
