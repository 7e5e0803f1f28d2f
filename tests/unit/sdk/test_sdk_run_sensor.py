"""A sensor in a child process, driven as the container drives it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from st_ops.packs.check import BOOT
from st_ops.sdk.wire import Channel, ChannelClosed

PATIENCE = 20.0

CLASSIC = """
    from st2reactor.sensor.base import Sensor

    class Echo(Sensor):
        def setup(self):
            self.log = self.sensor_service.get_logger("echo")
        def run(self):
            import time
            self.sensor_service.dispatch("demo.started", {"config": self.config["name"]}, trace_tag="t")
            self.sensor_service.dispatch("demo.bad", "not an object")
            self.sensor_service.dispatch("demo.waiting")
            while True:
                time.sleep(60)
        def cleanup(self):
            self.sensor_service.set_value("cleaned", "yes")
        def add_trigger(self, trigger):
            self.sensor_service.dispatch("demo.added", {"ref": trigger["ref"]})
        def update_trigger(self, trigger):
            pass
        def remove_trigger(self, trigger):
            self.sensor_service.dispatch("demo.removed", {"ref": trigger["ref"]})
"""


class Child:
    """The container's side: starts the sensor and answers what it asks."""

    def __init__(self, code: str, folder: Path, **job: Any) -> None:
        file = folder / "sensor_under_test.py"
        file.write_text(textwrap.dedent(code))
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                str(BOOT),
                "st_ops.sdk.run_sensor",
                str(theirs.fileno()),
                str(os.getpid()),
            ],
            pass_fds=(theirs.fileno(),),
            stderr=subprocess.PIPE,
            text=True,
        )
        theirs.close()
        self.channel = Channel(ours.detach())
        self.channel.send({"file": str(file), "pack": "demo", "config": {"name": "n"}, **job})

    def next(self) -> dict[str, Any]:
        """The next message; a request is answered first."""
        message = self.channel.receive(PATIENCE)
        assert message is not None
        if "id" in message:
            self.channel.answer(message, "0" * 24)
        return message

    def emitted(self) -> dict[str, Any]:
        """The arguments of the next emit."""
        while True:
            message = self.next()
            if message.get("method") == "emit":
                return dict(message["arguments"])

    def end(self) -> tuple[int, str]:
        """Exit code and stderr; requests until then are answered."""
        while True:
            try:
                self.next()
            except ChannelClosed:
                break
        _out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, err


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    children: list[Child] = []

    def begin(code: str, **job: Any) -> Child:
        children.append(Child(code, tmp_path, **job))
        return children[-1]

    yield begin
    for child in children:
        if child.process.poll() is None:
            child.process.kill()
        child.process.communicate()
        child.channel.close()


def test_a_stackstorm_sensor_dispatches_takes_triggers_and_cleans_up_on_sigterm(start):
    child = start(CLASSIC, entry="Echo", triggers=[{"id": "1", "ref": "demo.first"}])
    assert child.emitted()["payload"] == {"ref": "demo.first"}
    assert child.next() == {"type": "ready"}
    started = child.emitted()
    assert (started["trigger"], started["payload"], started["trace_tag"]) == (
        "demo.started",
        {"config": "n"},
        "t",
    )
    assert child.emitted()["trigger"] == "demo.waiting"
    child.channel.send({"type": "trigger", "op": "remove", "trigger": {"id": "1", "ref": "demo.first"}})
    assert child.emitted()["trigger"] == "demo.removed"
    child.process.send_signal(signal.SIGTERM)
    cleaned = child.next()
    assert (cleaned["method"], cleaned["arguments"]["name"]) == ("kv.set", "demo.Echo:cleaned")
    code, said = child.end()
    assert code == 0
    assert "The payload of demo.bad is not an object" in said


def test_a_refused_event_is_logged_and_the_sensor_goes_on(start):
    child = start(CLASSIC, entry="Echo")
    assert child.next() == {"type": "ready"}
    request = child.channel.receive(PATIENCE)
    child.channel.refuse(request, "config: 'n' is too short.")
    assert child.emitted()["trigger"] == "demo.waiting"
    child.channel.send({"type": "stop"})
    code, said = child.end()
    assert code == 0
    assert "The event demo.started was refused and dropped: config: 'n' is too short." in said


def test_a_polling_sensor_polls_at_its_interval_and_an_exception_ends_it_with_1(start):
    code = """
        from st2reactor.sensor.base import PollingSensor

        class Poller(PollingSensor):
            count = 0
            def setup(self): pass
            def poll(self):
                self.count += 1
                self.sensor_service.dispatch("demo.poll", {"n": self.count, "every": self.get_poll_interval()})
                if self.count == 2:
                    raise RuntimeError("enough")
            def cleanup(self): pass
            def add_trigger(self, trigger): pass
            def update_trigger(self, trigger): pass
            def remove_trigger(self, trigger): pass
    """
    child = start(code, entry="Poller", poll_interval=0.01)
    assert [child.emitted()["payload"] for _ in range(2)] == [
        {"n": 1, "every": 0.01},
        {"n": 2, "every": 0.01},
    ]
    exit_code, said = child.end()
    assert exit_code == 1
    assert "RuntimeError: enough" in said


def test_a_poll_function_sees_its_triggers_and_stops_between_two_polls(start):
    code = """
        from st_ops.sdk import poll

        @poll(every="10ms")
        def look(ctx):
            parameters = [trigger["parameters"] for trigger in ctx.triggers]
            ctx.emit("seen", {"triggers": parameters}, series="s", episode="e", delivery="d")
    """
    child = start(code, entry="look", triggers=[{"id": "1", "ref": "demo.x", "parameters": {"p": 1}}])
    event = child.emitted()
    assert event["trigger"] == "demo.seen"
    assert event["payload"] == {"triggers": [{"p": 1}]}
    assert (event["series"], event["episode"], event["delivery"]) == ("s", "e", "d")
    child.process.send_signal(signal.SIGTERM)
    assert child.end()[0] == 0


def test_a_sensor_function_ends_when_it_is_asked_to(start):
    code = """
        from st_ops.sdk import sensor

        @sensor
        def watch(ctx):
            ctx.emit("began")
            while not ctx.wait(60):
                pass
            ctx.emit("over")
    """
    child = start(code)
    assert child.emitted()["trigger"] == "demo.began"
    child.channel.send({"type": "stop"})
    assert child.end()[0] == 0


def test_a_sensor_whose_container_is_gone_ends_by_itself(start):
    child = start(CLASSIC, entry="Echo")
    assert child.emitted()["trigger"] == "demo.started"
    child.channel.close()
    child.process.wait(PATIENCE)


def test_a_class_that_lacks_methods_is_said_on_stderr(start):
    child = start("class S:\n    def run(self): pass\n", entry="S")
    code, said = child.end()
    assert code == 1
    assert "The class S does not define setup, cleanup, add_trigger" in said


def test_the_child_knows_the_sdk_but_not_the_platform(start, tmp_path):
    code = """
        import sys
        from st_ops.sdk import sensor

        @sensor
        def watch(ctx):
            ctx.emit("modules", {"names": sorted(name for name in sys.modules if name.startswith("st_ops."))})
    """
    names = start(code).emitted()["payload"]["names"]
    assert all(name.startswith("st_ops.sdk") for name in names)
