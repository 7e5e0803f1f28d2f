"""Tests of sensors."""

from typing import Any

from st2tests.mocks.sensor import MockSensorService, MockSensorWrapper
from st2tests.pack_resource import BasePackResourceTestCase

__all__ = ["BaseSensorTestCase"]


class BaseSensorTestCase(BasePackResourceTestCase):
    """Set ``sensor_cls``; what the sensor dispatches is recorded."""

    sensor_cls: Any = None

    def setUp(self):
        """Make the sensor service."""
        super().setUp()
        wrapper = MockSensorWrapper(pack="tests", class_name=self.sensor_cls.__name__)
        self.sensor_service = MockSensorService(sensor_wrapper=wrapper)

    def get_sensor_instance(self, config=None, poll_interval=None):
        """A sensor with ``config``."""
        named = {"sensor_service": self.sensor_service}
        if config:
            named["config"] = config
        if poll_interval is not None:
            named["poll_interval"] = poll_interval
        return self.sensor_cls(**named)

    def get_dispatched_triggers(self):
        """``{trigger, payload, trace_context}`` of everything dispatched."""
        return self.sensor_service.dispatched_triggers

    def get_last_dispatched_trigger(self):
        """The last of them."""
        return self.sensor_service.dispatched_triggers[-1]

    def assertTriggerDispatched(self, trigger, payload=None, trace_context=None):
        """Fail unless ``trigger`` was dispatched, with ``payload`` and ``trace_context`` where they are given."""
        wanted = {"payload": payload, "trace_context": trace_context}
        for item in self.get_dispatched_triggers():
            fits = all(not value or item[name] == value for name, value in wanted.items())
            if item["trigger"] == trigger and fits:
                return True
        raise AssertionError(f'Trigger "{trigger}" hasn\'t been dispatched')
