"""What StackStorm packs import, in a process made as those of packs are."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from st_ops.packs.check import BOOT

COMPAT = BOOT.parent.parent / "compat"

ACTION = """
from st2common.runners.base_action import Action


class Greet(Action):
    def run(self, name):
        self.logger.info("greeting %s", name)
        self.action_service.set_value("last", name)
        return (True, self.config["greeting"] + " " + name)
"""
SENSOR = """
from st2reactor.sensor.base import PollingSensor


class Look(PollingSensor):
    def setup(self):
        self.logger = self.sensor_service.get_logger("look")

    def poll(self):
        self.logger.debug("looking")
        self.sensor_service.dispatch(trigger="demo.seen", payload={"n": self.get_poll_interval()}, trace_tag="t")

    def cleanup(self): pass
    def add_trigger(self, trigger): pass
    def update_trigger(self, trigger): pass
    def remove_trigger(self, trigger): pass
"""
TESTS = {
    "tests/test_action_greet.py": """
        from greet import Greet
        from st2tests.base import BaseActionTestCase

        class GreetTest(BaseActionTestCase):
            action_cls = Greet

            def test_it_greets(self):
                action = self.get_action_instance(config={"greeting": "Hi"})
                self.assertEqual(action.run(name="Ann"), (True, "Hi Ann"))
                self.assertEqual(self.action_service.get_value("last"), "Ann")
                self.assertEqual(self.get_fixture_content("who.txt"), "Ann")

            def test_a_missing_config_key_is_a_value_error_as_in_stackstorm(self):
                self.assertRaises(ValueError, self.get_action_instance({}).run, name="Ann")
    """,
    "tests/test_sensor_look.py": """
        from look import Look
        from st2tests.base import BaseSensorTestCase

        class LookTest(BaseSensorTestCase):
            sensor_cls = Look

            def test_it_looks(self):
                sensor = self.get_sensor_instance(poll_interval=7)
                sensor.setup()
                sensor.poll()
                self.assertTriggerDispatched("demo.seen", payload={"n": 7})
                self.assertEqual(self.get_last_dispatched_trigger()["trace_context"].trace_tag, "t")
                self.assertRaises(AssertionError, self.assertTriggerDispatched, "demo.other")
                self.sensor_service.get_logger("x").debug.assert_called_once_with("looking")
    """,
    "tests/test_action_alias_greet.py": """
        from st2tests.base import BaseActionAliasTestCase

        class AliasTest(BaseActionAliasTestCase):
            action_alias_name = "greet"

            def test_it_matches(self):
                formats = self.action_alias_db.get_format_strings()
                self.assertCommandMatchesExactlyOneFormatString(formats, "greet Ann")
                self.assertExtractedParametersMatch(formats[0], "greet Ann loud=yes", {"name": "Ann", "loud": "yes"})
    """,
    "tests/fixtures/who.txt": "Ann",
    "aliases/greet.yaml": """
        name: greet
        action_ref: demo.greet
        formats: ["greet {{ name }}", {display: say, representation: ["say hello to {{ name }}"]}]
    """,
    "actions/greet.py": ACTION,
    "sensors/look.py": SENSOR,
}

MODULES = sorted(
    ".".join(path.relative_to(COMPAT).with_suffix("").parts).removesuffix(".__init__")
    for path in COMPAT.rglob("*.py")
    if path.parent != COMPAT
)


def in_pack_process(code: str, *folders: Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in an isolated interpreter with the SDK and the compat modules, as ``boot.py`` sets it up."""
    places = [str(folder) for folder in folders]
    start = f"import sys; sys.path[:0] = {places!r}; sys.path.insert(0, {str(BOOT.parent)!r})\n"
    start += "import boot; boot.make_known(); sys.path.remove(sys.path[0])\n"
    return subprocess.run(
        [sys.executable, "-I", "-c", start + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def test_every_compat_module_imports_without_third_parties():
    code = f"""
        import importlib
        for name in ("yaml", "jinja2", "requests", "pydantic"):
            sys.modules[name] = None
        for name in {MODULES!r}:
            importlib.import_module(name)
    """
    done = in_pack_process(code)
    assert done.returncode == 0, done.stderr


def test_the_tests_of_a_stackstorm_pack_pass_unchanged(tmp_path):
    for path, text in TESTS.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).strip("\n"))
    code = f"""
        import unittest
        suite = unittest.defaultTestLoader.discover({str(tmp_path / "tests")!r})
        result = unittest.TextTestRunner().run(suite)
        sys.exit(0 if result.wasSuccessful() and result.testsRun == 4 else 1)
    """
    done = in_pack_process(code, tmp_path / "actions", tmp_path / "sensors")
    assert done.returncode == 0, done.stderr


def test_the_old_name_of_the_action_class_is_the_same_class():
    code = """
        from st2actions.runners.pythonrunner import Action as Old
        from st2common.runners.base_action import Action
        assert Old is Action
        try:
            Action()
        except TypeError:
            print("abstract")
    """
    assert in_pack_process(code).stdout == "abstract\n"


def test_loggers_have_audit():
    code = """
        from st2common import log as logging
        logger = logging.getLogger("x")
        logger.addHandler(__import__("logging").StreamHandler(sys.stdout))
        logger.audit("written %s", "down")
        assert logging.AUDIT > logging.CRITICAL
    """
    assert in_pack_process(code).stdout == "written down\n"


def test_eventlet_works_by_threads_until_the_real_one_is_there(tmp_path):
    code = """
        import eventlet
        eventlet.monkey_patch()
        pool = eventlet.GreenPool(2)
        futures = [pool.spawn(lambda n: n * n, n) for n in range(3)]
        pool.waitall()
        eventlet.sleep(0)
        print([future.wait() for future in futures], eventlet.spawn(len, "abc").wait())
    """
    assert in_pack_process(code).stdout == "[0, 1, 4] 3\n"
    (tmp_path / "eventlet.py").write_text("REAL = True\n")
    assert in_pack_process("import eventlet; print(eventlet.REAL)", tmp_path).stdout == "True\n"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (
            "st2common.util.isotime.format(st2common.util.isotime.parse('2026-01-02T03:04:05Z'), offset=False)",
            "2026-01-02T03:04:05.000000Z",
        ),
        ("st2common.models.system.common.ResourceReference.from_string_reference('a.b.c').name", "b.c"),
        ("st2common.util.jsonify.json_decode(st2common.util.jsonify.json_encode({'a': 1}))", {"a": 1}),
        ("st2common.util.shell.run_command(['echo', 'hi'])", [0, "hi\n", "", False]),
        ("st2common.constants.action.LIVEACTION_STATUS_TIMED_OUT", "timeout"),
        ("st2common.util.misc.lowercase_value({'A': ['B']})", {"a": ["b"]}),
    ],
)
def test_helpers_do_what_stackstorms_do(expression, value):
    module = (
        expression.split("(")[0].rsplit(".", 2)[0]
        if "ResourceReference" in expression
        else expression.split("(")[0].rpartition(".")[0]
    )
    done = in_pack_process(f"import json, {module}\nprint(json.dumps({expression}))")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == value
