"""Running one Python action, in the test's own process."""

from __future__ import annotations

import logging
import textwrap
from pathlib import Path
from typing import Any

import pytest

from st_ops.sdk.plain import plain
from st_ops.sdk.run_action import preload, run
from st_ops.sdk.testing import FakePlatform

CLASS = """
class Greet:
    def __init__(self, config=None, action_service=None):
        self.config, self.action_service = config, action_service

    def run(self, **given):
        {body}
"""


@pytest.fixture
def attempt(tmp_path: Path):
    """Run code as an action and give its outcome; ``body`` is that of a StackStorm class's run."""

    def run_it(
        code: str = "", *, body: str = "", platform: FakePlatform | None = None, **job: Any
    ) -> dict[str, Any]:
        file = tmp_path / f"act{len(list(tmp_path.iterdir()))}.py"
        file.write_text(CLASS.format(body=body) if body else textwrap.dedent(code))
        return run({"file": str(file), "pack": "demo", **job}, platform or FakePlatform())

    return run_it


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("return 5", ("succeeded", 5, 0)),
        ("return (True, [1])", ("succeeded", [1], 0)),
        ("return (False, {'why': 'x'})", ("failed", {"why": "x"}, 0)),
        ("return (None, 1)", ("succeeded", 1, 0)),
        ("return (1, 2, 3)", ("succeeded", [1, 2, 3], 0)),
        ("return ('yes', 2)", ("failed", "None", 220)),
        ("raise ValueError('x')", ("failed", "None", 1)),
        ("import sys; sys.exit(7)", ("failed", "None", 7)),
        ("import sys; sys.exit()", ("succeeded", "None", 0)),
        ("import sys; sys.exit('bye')", ("failed", "None", 1)),
        ("return given", ("succeeded", {"a": 1}, 0)),
        ("pass", ("succeeded", None, 0)),
    ],
)
def test_the_outcome_is_stackstorms(attempt, body, outcome):
    found = attempt(body=body, parameters={"a": 1} if "given" in body else {})
    assert (found["status"], found["result"], found["exit_code"]) == outcome


def test_the_traceback_begins_at_the_actions_file(attempt, capsys):
    attempt(body="raise ValueError('the reason')")
    said = capsys.readouterr().err
    assert "ValueError: the reason" in said
    assert "run_action.py" not in said


def test_a_wrong_status_is_explained(attempt, capsys):
    attempt(body="return ('yes', 2)")
    assert "first item is 'yes'" in capsys.readouterr().err


def test_a_result_that_is_not_json_becomes_text(attempt):
    assert attempt(body="return (True, {'x': object})")["result"] == "{'x': <class 'object'>}"


def test_times_uuids_and_nan_become_json():
    import datetime as dt
    import uuid

    moment = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    identity = uuid.UUID(int=1)
    assert plain({"a": moment, "b": identity, "c": float("nan"), "d": (1,)}) == {
        "a": "2026-01-02T00:00:00+00:00",
        "b": str(identity),
        "c": None,
        "d": [1],
    }


def test_a_missing_config_key_says_which_file_should_have_it(attempt, capsys):
    outcome = attempt(body="return self.config['token']", config={"url": "x"})
    assert outcome["status"] == "failed"
    said = capsys.readouterr().err
    assert "has no key 'token' (it has: url)" in said
    assert "configs/demo.yaml" in said


def test_an_old_action_without_action_service_gets_it_set(attempt):
    code = """
        class Old:
            def __init__(self, config):
                self.config = config
            def run(self):
                return self.action_service.get_value("x", local=False)
    """
    assert attempt(code, platform=FakePlatform({"x": "1"}))["result"] == "1"


def test_the_first_class_by_name_that_has_run_is_taken(attempt):
    code = """
        from logging import Logger
        class A:
            pass
        class C:
            def run(self): return "C"
        class B:
            def __init__(self, config=None, action_service=None): pass
            def run(self): return "B"
    """
    assert attempt(code)["result"] == "B"


def test_the_datastore_is_local_to_pack_and_class_unless_told_otherwise(attempt):
    platform = FakePlatform()
    body = """s = self.action_service
        s.set_value("n", 5)
        s.set_value("n", "all", local=False)
        names = [item.name for item in s.list_values(local=True)]
        return (True, [s.get_value("n"), s.delete_value("n"), s.delete_value("n"), s.get_value("n"), names])"""
    assert attempt(body=body, platform=platform)["result"] == ["5", True, False, None, ["demo.Greet:n"]]
    assert platform.keys == {"n": "all"}


def test_a_typed_function_gets_its_context(attempt):
    code = """
        from st_ops.sdk import Context, action

        @action
        def greet(c: Context, name: str):
            c.kv.set("last", {"name": name})
            c.logger.info("greeting")
            return [c.config["greeting"], name, c.user, c.execution["id"], c.emit("greeted", {"name": name})]
    """
    platform = FakePlatform()
    outcome = attempt(
        code,
        platform=platform,
        parameters={"name": "Ann"},
        config={"greeting": "Hi"},
        user="ann",
        execution={"id": "1"},
    )
    assert outcome == {
        "status": "succeeded",
        "result": ["Hi", "Ann", "ann", "1", f"{1:024x}"],
        "exit_code": 0,
    }
    assert platform.keys == {"demo:last": '{"name": "Ann"}'}
    assert platform.emitted[0].trigger == "demo.greeted"


def test_action_failed_is_a_failure_with_a_sentence_and_a_result(attempt, capsys):
    code = """
        from st_ops.sdk import ActionFailed, action
        @action
        def f():
            raise ActionFailed("no disk", {"free": 0})
    """
    assert attempt(code) == {"status": "failed", "result": {"free": 0}, "exit_code": 1, "error": "no disk"}
    assert capsys.readouterr().err == "no disk\n"


def test_of_several_functions_the_entry_names_one(attempt):
    code = """
        from st_ops.sdk import action
        @action
        def one(): return 1
        @action
        def two(): return 2
    """
    assert attempt(code, entry="two")["result"] == 2
    assert attempt(code)["status"] == "failed"


def test_a_file_that_has_no_action_says_what_was_expected(attempt, capsys):
    attempt("x = 1")
    assert (
        "has no action: expected a class with the method(s) run, or a function with @action"
        in capsys.readouterr().err
    )


def test_code_beside_the_action_and_in_lib_is_importable_and_a_name_like_json_harms_nobody(tmp_path):
    actions = tmp_path / "pack" / "actions"
    (actions / "lib").mkdir(parents=True)
    (actions / "lib" / "in_actions_lib_7.py").write_text("X = 1")
    (tmp_path / "pack" / "lib").mkdir()
    (tmp_path / "pack" / "lib" / "in_pack_lib_7.py").write_text("Y = 2")
    file = actions / "json.py"
    file.write_text(
        "import json, in_actions_lib_7, in_pack_lib_7\n"
        "class A:\n    def __init__(self, config=None, action_service=None): pass\n"
        "    def run(self): return [json.dumps({}), in_actions_lib_7.X, in_pack_lib_7.Y]\n"
    )
    outcome = run({"file": str(file), "pack": "p", "pack_path": str(tmp_path / "pack")}, FakePlatform())
    assert outcome["result"] == ["{}", 1, 2]


def test_preloading_reports_what_cannot_be_imported_and_a_changed_file_is_loaded_anew(tmp_path):
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text("class A:\n    def __init__(self, **_): pass\n    def run(self): return 1\n")
    bad.write_text("raise RuntimeError('x')")
    assert preload([str(good), str(bad)]) == {str(bad): "RuntimeError: x"}
    assert run({"file": str(good), "pack": "p"}, FakePlatform())["result"] == 1
    good.write_text("class A:\n    def __init__(self, **_): pass\n    def run(self): return 'changed'\n")
    assert run({"file": str(good), "pack": "p"}, FakePlatform())["result"] == "changed"


def test_loggers_print_to_stderr_at_the_level_asked_for(capsys):
    from st_ops.sdk.stackstorm import stderr_logger

    logger = stderr_logger("actions.python.Demo", "info")
    logger.debug("hidden")
    logger.info("shown")
    assert capsys.readouterr().err == "actions.python.Demo: INFO     shown\n"
    assert stderr_logger("actions.python.Demo", "AUDIT").level == logging.CRITICAL + 10
