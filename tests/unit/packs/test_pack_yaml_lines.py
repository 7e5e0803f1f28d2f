from __future__ import annotations

from pathlib import Path

import pytest

from st_ops.packs.problems import Faulty, did_you_mean, dotted
from st_ops.packs.yaml_lines import parse, read

TEXT = """\
name: x
parameters:
  hosts:
    type: string
  ports:
    items:
      - a
      - b
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ((), 1),
        (("name",), 1),
        (("parameters", "hosts", "type"), 4),
        (("parameters", "ports", "items", 1), 8),
        (("parameters", "absent", "type"), 2),
    ],
)
def test_the_line_of_a_key_is_found(keys, line):
    assert parse(TEXT, Path("a.yaml")).line(keys) == line


def test_a_duplicate_key_is_refused_with_both_lines():
    with pytest.raises(Faulty) as caught:
        parse("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", Path("a.yaml"))
    assert caught.value.faults[0].line == 5
    assert caught.value.faults[0].message == "The key 'c' is already given in line 3."


def test_two_keys_in_one_line_are_refused_as_well():
    with pytest.raises(Faulty, match="'a' is already given in line 1"):
        parse("{a: 1, a: 2}", Path("a.yaml"))


def test_merge_keys_and_anchors_are_no_duplicates():
    document = parse("base: &base {a: 1}\nmore:\n  <<: *base\n  a: 2\n", Path("a.yaml"))
    assert document.value["more"] == {"a": 2}


def test_what_is_not_yaml_says_where():
    with pytest.raises(Faulty) as caught:
        parse("a: [1, 2\nb: 3\n", Path("a.yaml"))
    assert caught.value.faults[0].line == 2
    assert caught.value.faults[0].message.startswith("This is not YAML")


def test_a_file_that_is_not_text_says_so(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(Faulty, match="not UTF-8"):
        read(path)


def test_python_objects_are_never_made():
    with pytest.raises(Faulty):
        parse("a: !!python/object/apply:os.system ['true']", Path("a.yaml"))


def test_keys_are_written_as_people_write_them():
    assert dotted(("parameters", "x", "items", 0)) == "parameters.x.items[0]"
    assert did_you_mean("runer_type", ["runner_type", "name"]) == " Did you mean 'runner_type'?"
