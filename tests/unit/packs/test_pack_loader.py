from __future__ import annotations

import pytest

from st_ops.packs.loader import LoadedPack, load_pack
from st_ops.packs.problems import Problem
from tests.unit.packs.pack_folders import write_pack

ACTION = "name: greet\nrunner_type: local-shell-cmd\nparameters:\n  cmd:\n    default: echo hi\n"


def only(loaded: LoadedPack) -> Problem:
    assert len(loaded.problems) == 1, loaded.problems
    return loaded.problems[0]


def test_every_kind_of_resource_is_loaded(load):
    loaded = load(
        {
            "actions/greet.yaml": ACTION,
            "rules/r.yaml": """
                name: r
                trigger: {type: demo.seen}
                criteria: {trigger.a: {type: EQUALS, pattern: 1}}
                action: {ref: demo.greet}
            """,
            "sensors/s.yaml": """
                class_name: Looker
                entry_point: s.py
                poll_interval: 5
                trigger_types: [{name: seen, payload_schema: {type: object}}]
            """,
            "sensors/s.py": "",
            "triggers/t.yaml": "name: other\n",
            "aliases/a.yaml": "name: a\naction_ref: demo.greet\nformats: ['greet {{ who }}']\n",
            "policies/p.yaml": """
                name: p
                resource_ref: demo.greet
                policy_type: action.concurrency
                parameters: {threshold: 2}
            """,
            "config.schema.yaml": "token: {type: string, secret: true}\n",
        }
    )
    assert loaded.problems == []
    assert {kind: [item.ref for item in items] for kind, items in loaded.resources.items()} == {
        "action": ["demo.greet"],
        "rule": ["demo.r"],
        "sensor": ["demo.Looker"],
        "trigger_type": ["demo.other", "demo.seen"],
        "alias": ["demo.a"],
        "policy": ["demo.p"],
    }
    assert loaded.find("rule", "r").enabled is False
    assert loaded.find("sensor", "Looker").trigger_types == ["demo.seen"]
    assert loaded.pack.config_schema == {"token": {"type": "string", "secret": True}}
    assert loaded.find("action", "greet").metadata_file == "actions/greet.yaml"


def test_a_bad_file_does_not_stop_the_good_ones(load):
    loaded = load({"actions/bad.yaml": "name: [", "actions/greet.yaml": ACTION})
    assert [item.name for item in loaded.resources["action"]] == ["greet"]
    assert only(loaded).path == "actions/bad.yaml"


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        ("name: a\nruner_type: noop\nrunner_type: noop\n", 2, "runer_type", "Did you mean 'runner_type'?"),
        (
            "name: a\nrunner_type: noop\nenabled: maybe\n",
            3,
            "enabled",
            "must be a boolean, not a string ('maybe')",
        ),
        ("name: a\n", 1, "", "needs the key 'runner_type' (a string)"),
        ("name: a\nrunner_type: python\n", 2, "runner_type", "There is no runner type 'python'."),
        ("name: a\nrunner_type: noop\npack: other\n", 3, "pack", "belongs to the pack 'demo'"),
        ("- a\n", 1, "", "must be a mapping of keys to values, not a list"),
        ("name: a\nrunner_type: python-script\n", 1, "", "needs an entry_point"),
        (
            "name: a\nrunner_type: python-script\nentry_point: a.py\n",
            3,
            "entry_point",
            "There is no file actions/a.py in the pack.",
        ),
        ("name: a\nrunner_type: noop\ntags: [x]\n", 3, "tags[0]", "A tag must be a mapping"),
        (
            "name: a\nrunner_type: noop\nnotify: {on-complet: {}}\n",
            3,
            "notify.on-complet",
            "Did you mean 'on-complete'?",
        ),
    ],
)
def test_what_is_wrong_with_an_action_is_said_with_line_and_key(load, text, line, key, message):
    loaded = load({"actions/a.yaml": text})
    problem = only(loaded)
    assert (problem.path, problem.line, problem.key) == ("actions/a.yaml", line, key)
    assert message in problem.message
    assert loaded.resources["action"] == []


@pytest.mark.parametrize(
    ("schema", "key", "message"),
    [
        ("{typ: string}", "x.typ", "Did you mean 'type'?"),
        ("{type: strng}", "x.type", "Did you mean 'string'?"),
        ("{type: [string, integer]}", "x.type", "must be a single type"),
        ("{required: 'yes'}", "x.required", "true or false"),
        ("{position: -1}", "x.position", "a number from 0 up"),
        ("{enum: []}", "x.enum", "not empty"),
        ("{pattern: '('}", "x.pattern", "a regular expression"),
        ("{immutable: true}", "x.immutable", "needs a default"),
        ("{type: array, items: {type: wrong}}", "x.items.type", "must be one of"),
        ("text", "x", "must be a mapping"),
    ],
)
def test_what_is_wrong_with_a_parameter_is_said(load, schema, key, message):
    loaded = load({"actions/a.yaml": f"name: a\nrunner_type: noop\nparameters:\n  x: {schema}\n"})
    problem = only(loaded)
    assert problem.key == f"parameters.{key}"
    assert problem.line == 4
    assert message in problem.message


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("{a: {position: 0}, b: {position: 0}}", "Position 0 is already that of 'a'"),
        ("{a: {position: 0}, b: {position: 2}}", "The positions 0, 2 have a gap"),
        ("{a-b: {type: string}}", "letters, digits and '_' only"),
    ],
)
def test_positions_and_names_of_parameters_are_checked(load, parameters, message):
    loaded = load({"actions/a.yaml": f"name: a\nrunner_type: noop\nparameters: {parameters}\n"})
    assert message in only(loaded).message


def test_positions_may_start_anywhere(load):
    loaded = load(
        {"actions/a.yaml": "name: a\nrunner_type: noop\nparameters: {a: {position: 1}, b: {position: 2}}\n"}
    )
    assert loaded.problems == []


def test_an_action_may_change_only_some_keys_of_its_runners_parameters(load):
    text = "name: a\nrunner_type: local-shell-cmd\nparameters: {timeout: {type: string}}\n"
    problem = only(load({"actions/a.yaml": text}))
    assert problem.key == "parameters.timeout.type"
    assert "default, description, enum, immutable, required" in problem.message


def test_repeating_what_the_runner_says_of_its_parameter_is_fine(load):
    text = "name: a\nrunner_type: local-shell-cmd\nparameters: {cmd: {type: string, required: true}}\n"
    assert load({"actions/a.yaml": text}).problems == []


def test_an_empty_key_counts_as_left_out(load):
    loaded = load({"actions/a.yaml": "name: a\nrunner_type: noop\ndescription:\nparameters:\n"})
    assert loaded.problems == []


def test_the_alias_of_a_runner_type_is_stored_under_its_name(load):
    loaded = load({"actions/a.yaml": "name: a\nrunner_type: run-local\n"})
    assert loaded.find("action", "a").runner_type == "local-shell-cmd"


def test_our_own_keys_of_an_action_are_kept(load):
    text = "name: a\nrunner_type: noop\nidempotent: true\nqueue: dmz\nconcurrency: {key: x, limit: 1}\n"
    action = load({"actions/a.yaml": text}).find("action", "a")
    assert (action.idempotent, action.queue, action.concurrency) == (True, "dmz", {"key": "x", "limit": 1})


def test_an_entry_point_outside_of_the_pack_is_refused(load, tmp_path):
    (tmp_path / "secret.py").write_text("")
    text = "name: a\nrunner_type: python-script\nentry_point: ../../secret.py\n"
    assert "outside of the pack" in only(load({"actions/a.yaml": text})).message


def test_a_second_action_of_the_same_name_is_refused(load):
    loaded = load({"actions/a.yaml": ACTION, "actions/b.yaml": ACTION})
    assert only(loaded).message == "The action 'demo.greet' is already defined in actions/a.yaml."


def test_sensors_may_share_a_trigger_type(load):
    text = "class_name: {}\nentry_point: s.py\ntrigger_types: [{{name: seen}}]\n"
    loaded = load(
        {"sensors/a.yaml": text.format("A"), "sensors/b.yaml": text.format("B"), "sensors/s.py": ""}
    )
    assert loaded.problems == []
    assert len(loaded.resources["trigger_type"]) == 1


def test_equal_files_have_equal_digests_and_changed_ones_do_not(tmp_path):
    folder = write_pack(tmp_path, {"actions/greet.yaml": ACTION})
    first = load_pack(folder)
    assert load_pack(folder).digests == first.digests
    assert load_pack(folder).digest == first.digest
    (folder / "actions/greet.yaml").write_text(ACTION + "description: new\n")
    assert load_pack(folder).digests != first.digests


def test_thousands_of_actions_load_in_seconds(tmp_path):
    import time

    text = "name: a{0}\nrunner_type: noop\nparameters:\n" + "".join(
        f"  p{n}:\n    type: string\n    description: Some words about it.\n" for n in range(10)
    )
    folder = write_pack(tmp_path, {f"actions/a{n}.yaml": text.format(n) for n in range(700)})
    started = time.monotonic()
    assert len(load_pack(folder).resources["action"]) == 700
    # StackStorm takes 124 s for 3,581; 700 in 4 s leaves room for a busy machine.
    assert time.monotonic() - started < 4
