"""The base classes of sensors."""

import abc
import time

__all__ = ["BaseSensor", "PollingSensor", "Sensor"]


class BaseSensor(metaclass=abc.ABCMeta):
    """What every sensor has."""

    def __init__(self, sensor_service, config=None):
        self._sensor_service = self.sensor_service = sensor_service
        self._config = self.config = config if config is not None else {}

    @abc.abstractmethod
    def setup(self):
        """Get ready."""

    @abc.abstractmethod
    def run(self):
        """Work until stopped."""

    @abc.abstractmethod
    def cleanup(self):
        """Give back what setup took."""

    @abc.abstractmethod
    def add_trigger(self, trigger):
        """A rule wants this trigger."""

    @abc.abstractmethod
    def update_trigger(self, trigger):
        """The trigger changed."""

    @abc.abstractmethod
    def remove_trigger(self, trigger):
        """No rule wants it any more."""


class Sensor(BaseSensor):
    """A sensor that waits for events in ``run``."""

    @abc.abstractmethod
    def run(self):
        """Work until stopped."""


class PollingSensor(BaseSensor):
    """A sensor that looks for events in ``poll``, every ``poll_interval`` seconds."""

    def __init__(self, sensor_service, config=None, poll_interval=5):
        super().__init__(sensor_service, config)
        self._poll_interval = poll_interval

    @abc.abstractmethod
    def poll(self):
        """Look once."""

    def run(self):
        """Poll for ever; an exception ends it."""
        while True:
            self.poll()
            time.sleep(self.get_poll_interval())

    def get_poll_interval(self):
        """Seconds between two polls."""
        return self._poll_interval

    def set_poll_interval(self, poll_interval):
        """Change the seconds between two polls."""
        self._poll_interval = poll_interval
