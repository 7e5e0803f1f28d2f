"""The container with real child processes on a real store."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from st_ops.errors import Unavailable
from st_ops.intake.accept import Intake
from st_ops.model.events import Accepted, NewEvent, trigger_ref_for
from st_ops.model.identity import now
from st_ops.model.resources import SensorType, TriggerType
from st_ops.model.sensors import Phase
from st_ops.sensors.container import EXIT_TRIGGER, SPAWN_TRIGGER
from st_ops.store import events, registry
from tests.unit.sensors.stage import Stage, is_alive
from tests.waiting import eventually

EMIT_AND_WAIT = """
    from st_ops.sdk import sensor

    @sensor()
    def watch(ctx):
        ctx.emit("seen", {"n": 1})
        while not ctx.wait(1):
            pass
"""
WAIT = """
    from st_ops.sdk import sensor

    @sensor()
    def watch(ctx):
        ctx.wait(1000)
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.close()


def test_an_event_is_on_disk_when_the_sensors_emit_returns(stage):
    stage.sensor(
        "check",
        """
        from st_ops.sdk import sensor

        @sensor()
        def watch(ctx):
            first = ctx.emit("seen", {"n": 1})
            ctx.emit("seen", {"n": 2}, series=first)
            ctx.wait(1000)
        """,
    )
    stage.container()
    eventually(lambda: len(stage.events()) == 2)
    second = stage.events()[1]
    assert second.series == stage.events()[0].id
    assert second.source == "sensor demo.check"
    state = stage.state("demo.check")
    assert eventually(lambda: stage.state("demo.check").events == 2)
    assert state.restarts == 0


def test_a_stackstorm_sensor_dispatches_with_its_trace(stage):
    stage.sensor(
        "classic",
        """
        class Watch:
            def __init__(self, sensor_service, config=None):
                self.sensor_service = sensor_service

            def setup(self):
                self.log = self.sensor_service.get_logger("classic")

            def run(self):
                self.sensor_service.dispatch("demo.seen", {"n": 1}, trace_tag="ticket-7")
                context = {"trace_tag": "t", "id_": "65f000000000000000000001"}
                self.sensor_service.dispatch_with_context("demo.seen", {"n": 2}, context)
                import time
                while True:
                    time.sleep(1)

            def cleanup(self): ...
            def add_trigger(self, trigger): ...
            def update_trigger(self, trigger): ...
            def remove_trigger(self, trigger): ...
        """,
        class_name="Watch",
    )
    stage.container()
    eventually(lambda: len(stage.events()) == 2)
    first, second = stage.events()
    assert first.trace_tag == "ticket-7"
    assert second.trace_id == "65f000000000000000000001"


def test_a_stackstorm_polling_sensor_runs_as_it_is(stage):
    stage.sensor(
        "poller",
        """
        from st2reactor.sensor.base import PollingSensor

        class Poller(PollingSensor):
            def setup(self):
                self._logger = self.sensor_service.get_logger(__name__)

            def poll(self):
                count = int(self.sensor_service.get_value("count") or 0) + 1
                self.sensor_service.set_value("count", count)
                self.sensor_service.dispatch(trigger="demo.seen", payload={"n": count})
                self.sensor_service.dispatch(trigger="demo.seen", payload={"n": "refused, and dropped"})

            def cleanup(self): ...
            def add_trigger(self, trigger): ...
            def update_trigger(self, trigger): ...
            def remove_trigger(self, trigger): ...
        """,
        class_name="Poller", poll_interval=0.05,
    )  # fmt: skip
    stage.container()
    eventually(lambda: stage.payloads()[:3] == [{"n": 1}, {"n": 2}, {"n": 3}])
    assert stage.key_values.get("demo.Poller:count") is not None


def test_a_delivery_emitted_twice_is_stored_once(stage):
    stage.sensor(
        "twice",
        """
        from st_ops.sdk import sensor

        @sensor()
        def watch(ctx):
            ids = {ctx.emit("seen", {"n": 1}, delivery="message-1") for _ in range(2)}
            ctx.emit("seen", {"n": len(ids)}, series="answer")
            ctx.wait(1000)
        """,
    )
    stage.container()
    eventually(lambda: len(stage.events()) == 2)
    assert stage.payloads() == [{"n": 1}, {"n": 1}]
    assert stage.events()[0].repeats == 1


def test_an_invalid_payload_is_an_exception_in_the_sensor_and_kept_as_rejected(stage):
    stage.sensor(
        "wrong",
        """
        from st_ops.sdk import sensor
        from st_ops.sdk.wire import RequestFailed

        @sensor()
        def watch(ctx):
            large = {"n": 1, "x": "x" * 2_000_000}
            for trigger, payload in (("seen", {"n": "many"}), ("unknown", {}), ("seen", large)):
                try:
                    ctx.emit(trigger, payload)
                except RequestFailed as error:
                    ctx.kv.set(trigger + str(len(str(payload)) > 1000), str(error))
            ctx.emit("seen", {"n": 3})
            ctx.wait(1000)
        """,
    )
    stage.container()
    eventually(lambda: stage.payloads() == [{"n": 3}])
    values = {entry.name: entry.value for entry in stage.key_values.find(prefix="demo:")}
    assert "demo.seen" in values["demo:seenFalse"]
    assert "There is no trigger 'demo.unknown'" in values["demo:unknownFalse"]
    assert "at most 1048576 are accepted" in values["demo:seenTrue"]
    with stage.database.read() as tx:
        rejected = events.find_rejected(tx)
    assert sorted(entry.status_code for entry in rejected) == [400, 404, 413]
    assert {entry.source for entry in rejected} == {"sensor demo.wrong"}
    assert all(len(entry.body) <= 4096 for entry in rejected)


def test_a_sensor_keeps_values_in_the_datastore(stage):
    stage.sensor(
        "keeper",
        """
        from st_ops.sdk import sensor

        @sensor()
        def watch(ctx):
            count = int(ctx.kv.get("count", "0")) + 1
            ctx.kv.set("count", str(count))
            ctx.kv.set("password", "hunter2!", secret=True)
            assert ctx.kv.get("password", decrypt=True) == "hunter2!"
            assert ctx.kv.get("password") != "hunter2!"
            assert sorted(ctx.kv.list()) == ["count", "password"]
            assert ctx.kv.delete("password") and not ctx.kv.delete("password")
            ctx.emit("seen", {"n": count})
            ctx.wait(1000)
        """,
    )
    stage.container()
    eventually(lambda: stage.payloads() == [{"n": 1}])
    found = stage.key_values.get("demo:count")
    assert found is not None
    assert found.value == "1"


def test_a_sensor_that_crashes_is_started_again_and_says_why(stage):
    stage.sensor(
        "crasher",
        """
        from st_ops.sdk import sensor

        @sensor()
        def watch(ctx):
            count = int(ctx.kv.get("count", "0")) + 1
            ctx.kv.set("count", str(count))
            if count < 4:
                raise RuntimeError(f"bad day {count}")
            ctx.wait(1000)
        """,
    )
    container = stage.container()
    stage.running("demo.crasher", container)
    eventually(lambda: stage.state("demo.crasher").restarts == 3)
    assert "exit code 1: RuntimeError: bad day 3" in stage.state("demo.crasher").reason


def test_a_sensor_that_ends_by_itself_is_started_again(stage):
    stage.sensor(
        "short",
        """
        from st_ops.sdk import sensor

        @sensor()
        def watch(ctx):
            ctx.emit("seen", {"n": 1})
        """,
    )
    stage.container()
    eventually(lambda: len(stage.events()) >= 3)


def test_a_killed_sensor_is_started_again(stage):
    stage.sensor("victim", WAIT)
    stage.container()
    pid = stage.running("demo.victim")
    os.kill(pid, signal.SIGKILL)
    stage.running("demo.victim", but=pid)
    assert "killed by SIGKILL" in stage.state("demo.victim").reason


def test_a_sensor_that_cannot_be_loaded_backs_off_with_the_reason(stage):
    stage.sensor("broken", "import no_such_module_at_all\n")
    stage.container()
    eventually(lambda: "No module named 'no_such_module_at_all'" in stage.state("demo.broken").reason)
    assert stage.state("demo.broken").phase in (Phase.BACKING_OFF, Phase.STARTING)


def test_a_sensor_without_its_file_runs_as_soon_as_the_file_is_there(stage):
    stage.sensor("late", WAIT)
    file = stage.pack_path / "sensors" / "late.py"
    code = file.read_text()
    file.unlink()
    stage.container()
    eventually(lambda: "There is no file" in stage.state("demo.late").reason)
    file.write_text(code)
    stage.running("demo.late")


def test_registry_changes_start_stop_and_restart_sensors(stage):
    container = stage.container()
    stage.sensor("one", EMIT_AND_WAIT)
    stage.sensor("two", WAIT)
    first, second = stage.running("demo.one"), stage.running("demo.two")

    stage.write("one", EMIT_AND_WAIT.replace('"n": 1', '"n": 20'))
    stage.ring()
    third = stage.running("demo.one", but=first)
    eventually(lambda: stage.payloads() == [{"n": 1}, {"n": 20}])

    with stage.database.write() as tx:
        registry.set_enabled(tx, "sensor", "demo.one", False)
    eventually(lambda: [state.ref for state in container.states()] == ["demo.two"])
    assert not is_alive(third)
    assert stage.running("demo.two") == second


class Interrupted(Intake):
    """An intake whose store is away for the first tries."""

    tries = 0

    def accept(self, event: NewEvent) -> Future[Accepted]:
        self.tries += 1
        if self.tries <= 3:
            raise Unavailable("store", "it is away")
        return super().accept(event)


def test_a_sensor_waits_while_the_store_is_away(tmp_path):
    stage = Stage(tmp_path, Interrupted)
    stage.sensor("check", EMIT_AND_WAIT)
    stage.container()
    eventually(lambda: stage.payloads() == [{"n": 1}])
    assert stage.state("demo.check").restarts == 0
    stage.close()


def test_a_sensor_that_breaks_the_protocol_is_started_again(stage):
    stage.sensor(
        "rude",
        """
        import os, sys
        from st_ops.sdk import sensor

        @sensor()
        def watch(ctx):
            os.write(int(sys.argv[2]), bytes([0, 0, 0, 2]) + b"hi")
            ctx.wait(1000)
        """,
    )
    stage.container()
    eventually(lambda: stage.state("demo.rude").restarts >= 2)
    assert "did not keep to the protocol" in stage.state("demo.rude").reason


def test_sensors_are_not_run_when_the_settings_say_so(tmp_path):
    stage = Stage(tmp_path, enabled=False)
    stage.sensor("check", EMIT_AND_WAIT)
    assert stage.container().states() == []
    stage.close()


def test_a_changed_config_restarts_the_sensor(stage):
    stage.config["level"] = 1
    stage.sensor(
        "tuned",
        """
        from st_ops.sdk import sensor

        @sensor()
        def watch(ctx):
            ctx.emit("seen", {"n": ctx.config["level"]})
            ctx.wait(1000)
        """,
    )
    stage.container()
    eventually(lambda: stage.payloads() == [{"n": 1}])
    stage.config["level"] = 2
    stage.ring()
    eventually(lambda: stage.payloads() == [{"n": 1}, {"n": 2}])
    assert stage.state("demo.tuned").restarts == 0


def test_triggers_that_rules_ask_for_reach_the_sensor(stage):
    stage.rule("present", path="/a")
    stage.rule("off", enabled=False, path="/off")
    stage.sensor(
        "files",
        """
        from st_ops.sdk import poll

        @poll(every=0.05)
        def watch(ctx):
            paths = ",".join(sorted(trigger["parameters"]["path"] for trigger in ctx.triggers))
            if ctx.kv.get("paths") != paths:
                ctx.kv.set("paths", paths)
                for trigger in ctx.triggers:
                    ctx.emit(trigger["ref"], {"path": trigger["parameters"]["path"]})
        """,
        poll_interval=0.05,
    )
    stage.container()

    def paths() -> str:
        found = stage.key_values.get("demo:paths")
        return found.value if found else "none"

    eventually(lambda: paths() == "/a")
    stage.rule("more", path="/b")
    eventually(lambda: paths() == "/a,/b")
    stage.rule("present", enabled=False, path="/a")
    eventually(lambda: paths() == "/b")
    ref = trigger_ref_for("demo.seen", {"path": "/b"})
    eventually(lambda: {"path": "/b"} in [event.payload for event in stage.events(ref)])


def test_a_sensor_sees_neither_our_environment_nor_our_descriptors_nor_our_packages(stage, monkeypatch):
    monkeypatch.setenv("ST_OPS_STORE__URL", "postgresql://user:secret@host/db")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    stage.register(TriggerType(pack="demo", name="facts"))
    stage.sensor(
        "curious",
        """
        import os, sys
        from st_ops.sdk import sensor

        @sensor()
        def watch(ctx):
            try:
                import st_ops.store
                found = True
            except ImportError:
                found = False
            targets = []
            for fd in os.listdir("/proc/self/fd"):
                try:
                    targets.append(os.readlink(f"/proc/self/fd/{fd}").partition(":")[0])
                except OSError:
                    pass
            ctx.emit("facts", {
                "names": sorted(os.environ), "targets": targets, "store": found, "sid": os.getsid(0) == os.getpid(),
                "arguments": open("/proc/self/cmdline").read(),
            })
            ctx.wait(1000)
        """,
    )
    stage.config["token"] = "very secret"
    stage.container(given_environment={"GIVEN": "1"})
    facts = eventually(lambda: stage.events("demo.facts"))[0].payload
    assert not [name for name in facts["names"] if name.startswith(("ST_OPS", "AWS", "PYTHON"))]
    assert "GIVEN" in facts["names"]
    assert "PATH" in facts["names"]
    # The two further ends of a pipe are its own: it hears signals through them.
    assert sorted(facts["targets"]) == ["/dev/null", "pipe", "pipe", "pipe", "pipe", "socket"]
    assert facts["store"] is False
    assert facts["sid"] is True
    assert "very secret" not in facts["arguments"]


def test_what_a_sensor_prints_is_logged_masked_and_capped(tmp_path, caplog):
    stage = Stage(tmp_path, log_lines_per_second=2.0)
    stage.config["token"] = "s3cret-token"
    stage.register(schema={"token": {"type": "string", "secret": True}})
    stage.write(
        "chatty",
        """
        from st_ops.sdk import sensor

        @sensor()
        def watch(ctx):
            ctx.logger.warning("token is %s", ctx.config["token"])
            for n in range(1000):
                print("line", n)
            ctx.emit("seen", {"n": 1})
            ctx.wait(1000)
        """,
    )
    seen = TriggerType(pack="demo", name="seen")
    chatty = SensorType(pack="demo", name="chatty", class_name="watch", entry_point="chatty.py")
    with caplog.at_level(logging.DEBUG, "st_ops"):
        stage.register(seen, chatty, schema={"token": {"type": "string", "secret": True}})
        stage.container()
        eventually(stage.events)
        stage.close()
    lines = [record for record in caplog.records if record.name == "st_ops.sensors.output"]
    assert "token is ********" in lines[0].getMessage()
    assert lines[0].levelno == logging.WARNING
    assert vars(lines[0])["st_ops_sensor"] == "demo.chatty"
    assert "s3cret" not in caplog.text
    assert len(lines) < 30
    assert any("lines were dropped" in record.getMessage() for record in lines)


def test_closing_ends_sensors_that_ignore_it_and_what_they_started(tmp_path):
    stage = Stage(tmp_path, grace_seconds=0.3)
    stage.sensor(
        "stubborn",
        """
        import signal, subprocess, time
        from st_ops.sdk import sensor

        @sensor()
        def watch(ctx):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child = subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 1000"])
            ctx.emit("seen", {"n": child.pid})
            while True:
                time.sleep(1)
        """,
    )
    stage.container()
    child = eventually(stage.payloads)[0]["n"]
    pid = stage.running("demo.stubborn")
    assert is_alive(child)
    stage.close()
    assert not is_alive(pid)
    assert eventually(lambda: not is_alive(child))


def test_the_starts_and_ends_of_sensors_are_events_where_their_types_are_registered(stage):
    for ref in (SPAWN_TRIGGER, EXIT_TRIGGER):
        stage.register(TriggerType(pack="core", name=ref.removeprefix("core.")))
    stage.sensor("victim", WAIT)
    stage.container()
    pid = stage.running("demo.victim")
    os.kill(pid, signal.SIGKILL)
    spawned = eventually(lambda: stage.events(SPAWN_TRIGGER))[0]
    exited = eventually(lambda: stage.events(EXIT_TRIGGER))[0]
    assert spawned.payload["pid"] == pid
    assert "boot.py" in spawned.payload["cmd"]
    assert exited.payload["exit_code"] == -9
    assert exited.payload["id"] == "watch"
    assert exited.payload["ref"] == "demo.victim"
    assert exited.occurrence_time <= now()


IDLE = """
from st_ops.sdk import SensorIdle, sensor

@sensor()
def watch(ctx):
    if not (ctx.config.get("paths") or ctx.triggers):
        raise SensorIdle("no paths are configured")
    ctx.emit("seen", {"n": 1})
    ctx.wait(1000)
"""


def test_a_sensor_with_nothing_to_watch_costs_no_process_until_its_config_says_what(stage):
    stage.sensor("needy", IDLE)
    stage.container()
    eventually(lambda: stage.state("demo.needy").phase is Phase.IDLE)
    idle = stage.state("demo.needy")
    assert (idle.pid, idle.restarts, idle.reason) == (None, 0, "no paths are configured")
    assert stage.events() == []
    stage.config["paths"] = ["/tmp"]
    stage.running("demo.needy")
    assert stage.state("demo.needy").reason == ""
    eventually(stage.events)


def test_an_idle_sensor_is_started_when_a_rule_gives_it_something_to_watch(stage):
    stage.sensor("needy", IDLE)
    stage.container()
    eventually(lambda: stage.state("demo.needy").phase is Phase.IDLE)
    stage.rule("wants", path="/tmp")
    stage.running("demo.needy")
    stage.rule("wants", enabled=False, path="/tmp")
    stage.register()
    assert stage.state("demo.needy").restarts == 0


def test_a_sensor_in_stackstorms_style_may_be_idle_too(stage):
    code = """
        from st2reactor.sensor.base import Sensor
        from st_ops.sdk import SensorIdle

        class watch(Sensor):
            def setup(self):
                raise SensorIdle("not now")
            def run(self): ...
            def cleanup(self): ...
            def add_trigger(self, trigger): ...
            def update_trigger(self, trigger): ...
            def remove_trigger(self, trigger): ...
    """
    stage.sensor("classic", code)
    stage.container()
    eventually(lambda: stage.state("demo.classic").phase is Phase.IDLE)
    assert stage.state("demo.classic").reason == "not now"
