from __future__ import annotations

import pytest

from st_ops.packs.discover import discover, shipped_packs
from st_ops.packs.loader import load_pack
from tests.unit.packs.pack_folders import write_pack

CORE_ACTIONS = {
    *(
        "announcement",
        "ask",
        "echo",
        "error",
        "http",
        "inject_trigger",
        "local",
        "local_sudo",
        "noop",
        "pause",
    ),
    *("remote", "remote_sudo", "sendmail", "uuid", "winrm_cmd", "winrm_ps_cmd"),
}


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("name: Demo Pack\ndescription: x\nversion: 1.0.0\nauthor: x\n", "name", "add 'ref'"),
        ("name: demo\ndescription: x\nversion: one\nauthor: x\n", "version", "such as 1.2.3"),
        ("name: demo\ndescription: x\nversion: 1.0.0\n", "", "needs the key 'author'"),
        (
            "name: demo\ndescription: x\nversion: 1.0.0\nauthor: x\npython: newest\n",
            "python",
            "range of Python",
        ),
        (
            "name: demo\ndescription: x\nversion: 1.0.0\nauthor: x\nkeywords: a\n",
            "keywords",
            "must be a list",
        ),
        ("- demo\n", "", "must be a mapping"),
    ],
)
def test_what_is_wrong_with_a_pack_is_said_and_its_content_loads(load, text, key, message):
    loaded = load({"pack.yaml": text, "actions/a.yaml": "name: a\nrunner_type: noop\n"})
    assert [problem.key for problem in loaded.problems] == [key]
    assert message in loaded.problems[0].message
    assert len(loaded.resources["action"]) == 1


def test_numbers_are_taken_as_text_and_unknown_keys_are_kept(load):
    text = "name: Nice Name\nref: demo\ndescription: x\nversion: 0.1\nauthor: x\nsomething: [1]\n"
    loaded = load({"pack.yaml": text})
    assert loaded.problems == []
    assert (loaded.pack.ref, loaded.pack.name, loaded.pack.version) == ("demo", "Nice Name", "0.1")
    assert loaded.pack.extra == {"something": [1]}


def test_a_folder_without_a_manifest_says_so(tmp_path):
    (tmp_path / "nothing").mkdir()
    problems = load_pack(tmp_path / "nothing").problems
    assert [str(problem) for problem in problems] == [
        "pack.yaml: The file cannot be read: No such file or directory."
    ]


def test_a_bad_config_schema_is_said_with_its_line(load):
    loaded = load({"config.schema.yaml": "a: {type: string}\nb: {type: nothing}\n"})
    assert [(problem.path, problem.line, problem.key) for problem in loaded.problems] == [
        ("config.schema.yaml", 2, "b.type")
    ]


def test_packs_are_found_below_roots_core_first_and_a_second_of_one_ref_is_reported(tmp_path):
    write_pack(tmp_path / "one", {}, "alpha")
    write_pack(tmp_path / "one", {}, "core")
    again = write_pack(tmp_path / "two", {}, "alpha")
    found = discover([tmp_path / "one", tmp_path / "two", tmp_path / "absent"])
    assert list(found.folders) == ["core", "alpha"]
    assert [problem.path for problem in found.problems] == [str(again), str(tmp_path / "absent")]


def test_a_root_may_be_a_pack_itself(tmp_path):
    folder = write_pack(tmp_path, {}, "solo")
    assert discover([folder]).folders == {"solo": folder}


def test_the_core_pack_has_all_of_stackstorms_core_actions_and_triggers():
    loaded = load_pack(shipped_packs() / "core")
    assert loaded.problems == []
    assert {item.name for item in loaded.resources["action"]} >= CORE_ACTIONS
    assert {item.ref for item in loaded.resources["trigger_type"]} >= {
        "core.st2.IntervalTimer",
        "core.st2.DateTimer",
        "core.st2.CronTimer",
        "core.st2.webhook",
        "core.st2.generic.actiontrigger",
        "core.st2.generic.notifytrigger",
        "core.st2.generic.inquiry",
        "core.st2.key_value_pair.value_change",
    }


def test_the_linux_pack_loads_without_a_problem():
    assert load_pack(shipped_packs() / "linux").problems == []
