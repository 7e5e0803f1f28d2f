"""Run one sensor in this process: the child's side of the sensor container.

A job is a JSON object::

    {"file": absolute path, "entry": class or function name, "pack": "linux", "pack_path": absolute folder,
     "name": "FileWatch", "config": {…}, "poll_interval": seconds or null, "user": "…", "log_level": "DEBUG",
     "triggers": [trigger, …]}

The container then sends ``{"type": "trigger", "op": "add" | "update" | "remove", "trigger": {…}}`` as rules
come and go, and SIGTERM or ``{"type": "stop"}`` to end it. The child sends ``{"type": "ready"}`` once set up, and
requests (``emit``, ``kv.*``, ``user.info``); ``emit`` is answered when the event is stored. ``{"type": "idle",
"reason": …}`` says that it ends because it has nothing to watch. Exit code 0 after a stop or when the sensor ends by
itself, 1 after an exception, which is on stderr.
"""

from __future__ import annotations

import inspect
import os
import signal
import threading
import time
import traceback
from types import FrameType
from typing import Any, Dict, Mapping, Protocol

from st_ops.sdk import boot
from st_ops.sdk.actions import MARK
from st_ops.sdk.context import Context, PackConfig
from st_ops.sdk.modules import SENSOR_METHODS, find_entry, load, wants_context
from st_ops.sdk.sensors import SensorIdle
from st_ops.sdk.stackstorm import SensorService, stderr_logger
from st_ops.sdk.wire import Channel, ChannelClosed

Trigger = Dict[str, Any]

#: Seconds between two tries to have a SIGTERM heeded.
_AGAIN = 0.05

#: Seconds a sensor may go on after its container is gone.
ORPHAN_GRACE = 5.0


class Stopped(BaseException):
    """Raised in the main thread to end a sensor that is asked to stop."""


class Link:
    """The channel, with an end that does not cut a message in two: SIGTERM waits for a request under way."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.stopping = threading.Event()
        self._busy = False
        self._left = False

    def request(self, method: str, **arguments: Any) -> Any:
        """See Channel.request."""
        if threading.current_thread() is not threading.main_thread():
            return self.channel.request(method, **arguments)
        self._busy = True
        try:
            return self.channel.request(method, **arguments)
        finally:
            self._busy = False

    def arm(self) -> None:
        """From now on SIGTERM ends whatever the main thread is in, but for a request."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_signal)
        threading.Thread(target=self._insist, args=(reading,), name="insist", daemon=True).start()

    def leave(self) -> None:
        """The sensor has ended: a SIGTERM has nothing more to say."""
        self._left = True

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping.set()
        if not (self._left or self._busy):
            self._left = True
            raise Stopped

    def _insist(self, reading: int) -> None:
        """In a thread: repeat a SIGTERM until it is heeded.

        One that comes during a request is put off; and one that comes just before the main thread goes to sleep
        in the kernel is noticed only when something wakes it.
        """
        while signal.SIGTERM not in os.read(reading, 64):
            continue
        main = threading.main_thread().ident
        while not self._left and main is not None:
            signal.pthread_kill(main, signal.SIGTERM)
            time.sleep(_AGAIN)


class Sensor(Protocol):
    """What this module drives, of either style."""

    def setup(self) -> None:
        """Get ready."""

    def run(self) -> None:
        """Work until stopped."""

    def cleanup(self) -> None:
        """Give back what setup took."""

    def add_trigger(self, trigger: Trigger) -> None:
        """A rule wants this trigger."""

    def update_trigger(self, trigger: Trigger) -> None:
        """The trigger changed."""

    def remove_trigger(self, trigger: Trigger) -> None:
        """No rule wants it any more."""


class FunctionSensor:
    """A ``@sensor`` or ``@poll`` function in the shape of a sensor class."""

    def __init__(self, function: Any, job: Mapping[str, Any], link: Link) -> None:
        self._function = function
        self._every = job.get("poll_interval") or getattr(function, MARK, {}).get("every")
        self._stopping = link.stopping
        self._triggers: dict[str, Trigger] = {}
        self._context = Context(
            link,
            pack=job["pack"],
            name=job.get("name") or function.__name__,
            logger=stderr_logger(f"sensors.{job['pack']}.{function.__name__}", job.get("log_level", "DEBUG")),
            config=job.get("config"),
            user=job.get("user", ""),
            stopping=link.stopping,
            triggers=lambda: list(self._triggers.values()),
        )

    def setup(self) -> None:
        """Nothing to do: the function does it."""

    def run(self) -> None:
        """Call the function: once, or at every interval until asked to stop."""
        parameter = wants_context(self._function)
        arguments = {parameter: self._context} if parameter else {}
        if self._every is None:
            self._function(**arguments)
            return
        while not self._stopping.is_set():
            started = time.monotonic()
            self._function(**arguments)
            self._stopping.wait(max(0.0, self._every - (time.monotonic() - started)))

    def cleanup(self) -> None:
        """Nothing to do."""

    def add_trigger(self, trigger: Trigger) -> None:
        """Show ``trigger`` in ``ctx.triggers``."""
        self._triggers[str(trigger.get("id") or trigger.get("ref"))] = trigger

    update_trigger = add_trigger

    def remove_trigger(self, trigger: Trigger) -> None:
        """Take ``trigger`` out of ``ctx.triggers``."""
        self._triggers.pop(str(trigger.get("id") or trigger.get("ref")), None)


def build(job: Mapping[str, Any], link: Link) -> Sensor:
    """The sensor of ``job``, of either style. Raises EntryNotFound, or what its file or class raises."""
    target: Any = find_entry(
        load(job["file"], job.get("pack_path", "")), job.get("entry", ""), SENSOR_METHODS, "sensor"
    )
    if not inspect.isclass(target):
        return FunctionSensor(target, job, link)
    cls: Any = target
    logger = stderr_logger(f"sensors.{job['pack']}.{target.__name__}", job.get("log_level", "DEBUG"))
    service = SensorService(link, job["pack"], target.__name__, logger)
    named: dict[str, Any] = {"sensor_service": service, "config": PackConfig(job["pack"], job.get("config"))}
    interval = job.get("poll_interval")
    taken = inspect.signature(target).parameters
    if interval and hasattr(target, "poll"):
        if "poll_interval" in taken or any(p.kind is p.VAR_KEYWORD for p in taken.values()):
            named["poll_interval"] = interval
            return cls(**named)  # type: ignore[no-any-return]
        sensor = cls(**named)
        sensor.set_poll_interval(interval)
        return sensor  # type: ignore[no-any-return]
    return cls(**named)  # type: ignore[no-any-return]


def run(job: Mapping[str, Any], channel: Channel) -> int:
    """Run the sensor of ``job`` in the main thread until it ends or is stopped; its exit code."""
    link = Link(channel)
    link.arm()
    try:
        sensor = build(job, link)
    except Stopped:
        return 0
    except Exception:  # noqa: BLE001  # the edge of the child: the container reports what is on stderr
        traceback.print_exc()
        return 1
    return _drive(sensor, job, link)


def _drive(sensor: Sensor, job: Mapping[str, Any], link: Link) -> int:
    code = 0
    try:
        sensor.setup()
        for trigger in job.get("triggers", []):
            _apply(sensor, "add", trigger)
        threading.Thread(target=_listen, args=(sensor, link), name="listen", daemon=True).start()
        link.channel.send({"type": "ready"})
        sensor.run()
        link.leave()
    except SensorIdle as idle:
        link.leave()
        link.channel.send({"type": "idle", "reason": str(idle)})
    except Stopped:
        code = 0
    except Exception:  # noqa: BLE001  # as above
        link.leave()
        if not link.stopping.is_set():
            traceback.print_exc()
            code = 1
    try:
        sensor.cleanup()
    except Exception:  # noqa: BLE001  # as above
        traceback.print_exc()
        code = 1
    return code


def _listen(sensor: Sensor, link: Link) -> None:
    """In a thread: take the container's messages until it is gone, then end the process."""
    while True:
        try:
            message = link.channel.receive()
        except ChannelClosed:
            break
        if message is None:
            continue
        if message.get("type") == "stop":
            os.kill(os.getpid(), signal.SIGTERM)
        elif message.get("type") == "trigger":
            _apply(sensor, message["op"], message["trigger"])
    os.kill(os.getpid(), signal.SIGTERM)
    # Nobody is left to send SIGKILL.
    time.sleep(ORPHAN_GRACE)
    os._exit(1)


def _apply(sensor: Sensor, op: str, trigger: Trigger) -> None:
    methods = {"add": sensor.add_trigger, "update": sensor.update_trigger, "remove": sensor.remove_trigger}
    try:
        methods[op](trigger)
    except Exception:  # noqa: BLE001  # one trigger the sensor cannot take must not end the others
        traceback.print_exc()


def main(arguments: list[str]) -> int:
    """``boot.py st_ops.sdk.run_sensor FD CONTAINER``: read the job from the channel on FD and run it.

    CONTAINER is the pid of the process that started this one and without which it must not live.
    """
    boot.die_with(int(arguments[1]))
    # What the sensor starts must not hold the channel open after the sensor's end.
    os.set_inheritable(int(arguments[0]), False)
    boot.leave_the_platform()
    channel = Channel(int(arguments[0]))
    job = channel.receive()
    assert job is not None  # without a timeout, receive gives a message or raises
    return run(job, channel)
