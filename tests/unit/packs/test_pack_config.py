from __future__ import annotations

from typing import Any

import pytest

from st_ops.model.resources import Pack
from st_ops.packs.config import resolve_config, with_defaults

SCHEMA: dict[str, dict[str, Any]] = {
    "url": {"type": "string", "required": True},
    "port": {"type": "integer", "default": 8080},
    "token": {"type": "string", "secret": True},
    "nested": {
        "type": "object",
        "properties": {
            "deep": {"type": "boolean", "default": True},
            "key": {"type": "string", "secret": True},
        },
    },
    "hosts": {"type": "array", "items": {"type": "object", "properties": {"ssl": {"default": False}}}},
}
KEYS = {("system", "token"): "s3cret", ("system", "port"): "99"}


@pytest.fixture
def resolve(tmp_path):
    asked: list[tuple[str, str, bool]] = []

    def lookup(scope, name, *, decrypt):
        asked.append((scope, name, decrypt))
        return KEYS.get((scope, name))

    def run(text):
        if text is not None:
            (tmp_path / "demo.yaml").write_text(text)
        return resolve_config(Pack(ref="demo", name="demo", config_schema=SCHEMA), tmp_path, lookup)

    return run, asked


def test_defaults_fill_what_the_file_leaves_out_also_in_nested_objects_and_lists(resolve):
    config = resolve[0]("url: http://a\nhosts: [{name: x}]\n")
    assert config.problems == []
    assert config.values == {
        "url": "http://a",
        "port": 8080,
        "nested": {"deep": True},
        "hosts": [{"name": "x", "ssl": False}],
    }


def test_values_are_looked_up_decrypted_when_secret_and_cast_to_their_type(resolve):
    config = resolve[0](
        "url: 'http://h/{{ st2kv.system.port }}'\nport: '{{st2kv.system.port}}'\ntoken: '{{ st2kv.system.token }}'\n"
    )
    assert config.problems == []
    assert (config.values["url"], config.values["port"], config.values["token"]) == (
        "http://h/99",
        99,
        "s3cret",
    )
    assert ("system", "token", True) in resolve[1]
    assert ("system", "port", False) in resolve[1]


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        ("url: a\nport: many\n", 2, "port", "'many' is not of type 'integer'."),
        ("port: 1\n", 1, "", "needs the key 'url'"),
        ("url: a\ntoken: '{{ st2kv.system.absent }}'\n", 2, "token", "There is no key 'absent'"),
        ("url: a\nnested:\n  key: '{{ config.x }}'\n", 3, "nested.key", "may refer to keys only"),
        ("- a\n", 1, "", "must be a mapping"),
        ("url: a\nurl: b\n", 2, "", "already given in line 1"),
    ],
)
def test_what_is_wrong_is_said_with_file_line_and_key(resolve, tmp_path, text, line, key, message):
    problem = resolve[0](text).problems[0]
    assert (problem.path, problem.line, problem.key) == (str(tmp_path / "demo.yaml"), line, key)
    assert message in problem.message


def test_a_secret_is_never_quoted_in_a_problem(resolve):
    problems = resolve[0]("url: a\ntoken: [hunter2]\n").problems
    assert problems
    assert "hunter2" not in str(problems)


def test_an_unknown_key_is_a_warning_when_it_looks_like_a_known_one(resolve):
    problems = resolve[0]("url: a\nprot: 1\nwhatever_else: 1\n").problems
    assert [(problem.key, problem.severity) for problem in problems] == [("prot", "warning")]


def test_without_a_file_there_are_the_defaults_and_a_word_about_what_is_missing(resolve):
    config = resolve[0](None)
    assert config.values["port"] == 8080
    assert "needs the key 'url'" in config.problems[0].message


def test_pattern_properties_and_additional_properties_bring_defaults():
    schema = {
        "regions": {
            "type": "object",
            "patternProperties": {"^eu": {"properties": {"zone": {"default": "a"}}}},
            "additionalProperties": {"properties": {"zone": {"default": "z"}}},
        }
    }
    assert with_defaults(schema, {"regions": {"eu1": {}, "us1": {}}}) == {
        "regions": {"eu1": {"zone": "a"}, "us1": {"zone": "z"}}
    }
