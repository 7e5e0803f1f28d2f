from __future__ import annotations

import json
from typing import Any

from st_ops.packs.check import Report, check
from tests.unit.packs.pack_folders import write_pack

OLD = """
from st2common.runners.base_action import Action

class Greet(Action):
    def run(self):
        return 1
"""


def python_action(name: str) -> str:
    return f"name: {name}\nrunner_type: python-script\nentry_point: {name}.py\n"


def errors_of(report: Report, path: str) -> list[dict[str, Any]]:
    return next(file.errors for file in report.files if file.path == path)


def test_a_good_pack_is_ok_and_the_report_is_json(tmp_path):
    folder = write_pack(tmp_path, {"actions/a.yaml": "name: a\nrunner_type: noop\n"})
    report = check([folder])
    assert report.ok
    assert json.loads(json.dumps(report.to_json())) == {
        "ok": True,
        "files": [
            {"pack": "demo", "path": path, "kind": kind, "ref": ref, "ok": True, "errors": [], "warnings": []}
            for path, kind, ref in (("actions/a.yaml", "action", "demo.a"), ("pack.yaml", "pack", "demo"))
        ],
    }


def test_an_error_names_line_key_and_what_was_expected(tmp_path):
    folder = write_pack(tmp_path, {"actions/a.yaml": "name: a\nrunner_type: nop\n"})
    report = check([folder])
    assert not report.ok
    (error,) = errors_of(report, "actions/a.yaml")
    assert (error["line"], error["key"]) == (2, "runner_type")
    assert "Did you mean 'noop'?" in error["message"]


def test_a_folder_without_a_pack_is_an_error(tmp_path):
    report = check([tmp_path])
    assert not report.ok
    assert "no pack here" in report.files[0].errors[0]["message"]


def test_a_rule_that_names_nothing_of_its_own_pack_is_warned_about(tmp_path):
    text = "name: r\ntrigger: {type: core.st2.webhook, parameters: {url: x}}\naction: {ref: demo.absent}\n"
    report = check([write_pack(tmp_path, {"rules/r.yaml": text})])
    assert report.ok
    assert report.files[-1].warnings[0]["message"] == "The pack has no action 'demo.absent'."


def test_importing_finds_classes_functions_and_what_is_wrong(tmp_path):
    files = {
        "actions/old.yaml": python_action("old"),
        "actions/old.py": OLD,
        "actions/new.py": "from st_ops.sdk import action\n\n@action\ndef new():\n    pass\n",
        "actions/empty.yaml": python_action("empty"),
        "actions/empty.py": "x = 1\n",
        "actions/broken.yaml": python_action("broken"),
        "actions/broken.py": "import json\n\nprint(nonsense)\n",
        "actions/leaves.yaml": python_action("leaves"),
        "actions/leaves.py": "import os\nos._exit(3)\n",
        "actions/lib/helper.py": "import own_but_absent.thing\n",
        "actions/lib/own_but_absent/__init__.py": "",
        "actions/uses_helper.yaml": python_action("uses_helper"),
        "actions/uses_helper.py": "import helper\n",
        "sensors/s.yaml": "class_name: S\nentry_point: s.py\n",
        "sensors/s.py": "class S:\n    def setup(self): pass\n",
    }
    report = check([write_pack(tmp_path, files)], import_code=True)
    faults = {file.path: file.errors[0]["message"] for file in report.files if file.errors}
    assert sorted(faults) == [
        "actions/broken.yaml",
        "actions/empty.yaml",
        "actions/leaves.yaml",
        "actions/uses_helper.yaml",
        "sensors/s.yaml",
    ]
    assert "actions/broken.py:3: Importing the file raised NameError" in faults["actions/broken.yaml"]
    assert "has no action" in faults["actions/empty.yaml"]
    assert "ended the process" in faults["actions/leaves.yaml"]
    assert "own_but_absent" in faults["actions/uses_helper.yaml"]
    assert "does not define run, cleanup" in faults["sensors/s.yaml"]


def test_a_missing_third_party_module_is_told_apart_from_a_fault_of_the_pack(tmp_path):
    files = {"actions/a.yaml": python_action("a"), "actions/a.py": "import not_on_this_machine.client\n"}
    report = check([write_pack(tmp_path, files)], import_code=True)
    assert report.ok
    (warning,) = report.files[0].warnings
    assert "the third-party module 'not_on_this_machine' is not installed here" in warning["message"]
    assert "requirements.txt" in warning["message"]


def test_a_stackstorm_module_that_is_not_offered_is_an_error(tmp_path):
    files = {"actions/a.yaml": python_action("a"), "actions/a.py": "from st2common.persistence import rule\n"}
    report = check([write_pack(tmp_path, files)], import_code=True)
    assert "'st2common.persistence' is not among those" in errors_of(report, "actions/a.yaml")[0]["message"]


def test_the_import_sees_nothing_of_the_platforms_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ST_OPS_DATABASE_PASSWORD", "x")
    code = "import os\nassert 'ST_OPS_DATABASE_PASSWORD' not in os.environ\n" + OLD
    files = {"actions/a.yaml": python_action("a"), "actions/a.py": code}
    assert check([write_pack(tmp_path, files)], import_code=True).ok
