"""What an inspection of an Orquesta workflow finds, where, and in which form."""

from __future__ import annotations

from typing import Any

import pytest

from st_ops.model.resources import Action
from st_ops.workflows.dialects.inspection import inspect
from tests.unit.workflows.scripted import EVALUATOR

TASK = "properties.tasks.patternProperties.^\\w+$"


def found(text: str, **more: Any) -> list[dict[str, Any]]:
    return inspect(text, EVALUATOR, **more)[1]


def test_a_finding_has_stackstorms_form_and_a_line() -> None:
    text = "version: 1.0\ntasks:\n  a:\n    action: core.x\n    next:\n      - when: <% succeeded( %>\n"
    assert found(text) == [
        {
            "type": "expression",
            "language": "yaql",
            "expression": "<% succeeded( %>",
            "message": "Parse error: unexpected end of statement",
            "spec_path": "tasks.a.next[0].when",
            "schema_path": f"{TASK}.properties.next.items.properties.when",
            "line": 6,
        }
    ]


@pytest.mark.parametrize(
    ("text", "kind", "line", "part"),
    [
        ("version: 1.0\ntaks: {}", "syntax", 2, "'taks' was unexpected"),
        ("version: 2.0\ntasks: {a: {}}", "syntax", 1, "2.0 is not one of"),
        ("version: 1.0\ntasks:\n  a:\n    actoin: x.y", "syntax", 4, "'actoin' was unexpected"),
        ("version: 1.0\ntasks:\n  a: {retry: {delay: 1}}", "syntax", 3, "'count' is a required property"),
        ("version: 1.0\ntasks:\n  a: {join: some}", "syntax", 3, "some"),
        ("version: 1.0\ntasks:\n  a:\n    with: all of them\n    action: x.y", "syntax", 4, "does not match"),
        ("version: 1.0\ntasks:\n  a: {}\n  a: {}", "syntax", 4, "The key 'a' is given twice."),
        ("version: 1.0\ntasks: {a: {action: x.y, action: x.z}}", "syntax", 2, "'action' is given twice"),
        ("version: 1.0\ntasks:\n  a: {next: [{do: zz}]}", "semantic", 3, 'The task "zz" is not defined.'),
        ("version: 1.0\ntasks:\n  noop: {}", "semantic", 3, 'The task name "noop" is reserved'),
        ("version: 1.0\ntasks:\n  a:\n    with: <% [1] %>", "semantic", 3, "action property is required"),
        (
            "version: 1.0\ntasks: {a: {next: [{do: b}]}, b: {next: [{do: a}]}}",
            "semantic",
            2,
            "No task can start",
        ),
        (
            "version: 1.0\ntasks:\n  a: {next: [{do: b}]}\n  b: {join: 2}",
            "semantic",
            4,
            "waits for 2 tasks, but 1",
        ),
        (
            "version: 1.0\ntasks:\n  a: {action: 'x.y p=<% ctx(q) %>'}",
            "context",
            3,
            '"q" is referenced before',
        ),
        (
            "version: 1.0\noutput:\n  - x: <% ctx(q) %>\ntasks: {a: {}}",
            "context",
            3,
            '"q" is referenced before',
        ),
        ("version: 1.0\ntasks:\n  a: {delay: \"{{ ctx('__x') }}\"}", "context", 3, "double underscores"),
        ("version: 1.0\nvars:\n  - x: <% 1 %>{{ 2 }}\ntasks: {a: {}}", "expression", 2, "multiple types"),
        ("a: [", "syntax", 1, "not valid YAML"),
        ("", "syntax", 1, "empty"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, kind: str, line: int, part: str) -> None:
    matching = [error for error in found(text) if part in error["message"]]
    assert [(error["type"], error["line"]) for error in matching[:1]] == [(kind, line)]


def test_a_join_on_branches_of_different_levels_of_splits_is_ambiguous() -> None:
    text = """
version: 1.0
tasks:
  a: {next: [{do: split}, {do: b}]}
  b: {next: [{do: split}, {do: join}]}
  split: {next: [{do: join}]}
  join: {join: all}
"""
    assert ['"join" is unreachable' in error["message"] for error in found(text)] == [True]


def test_a_variable_must_be_assigned_on_every_way_to_a_task_but_on_one_way_to_a_join() -> None:
    text = """
version: 1.0
tasks:
  a: {next: [{publish: [{x: 1}], do: [plain, join]}]}
  b: {next: [{do: [plain, join]}]}
  plain: {action: "core.x p=<% ctx(x) %>"}
  join: {join: all, action: "core.x p=<% ctx(x) %>"}
"""
    assert [error["spec_path"] for error in found(text)] == ["tasks.plain.input"]


def test_a_loop_may_read_what_it_publishes_itself_only_when_something_assigned_it_before() -> None:
    text = """
version: 1.0
tasks:
  begin: {next: [{publish: [{n: 0}], do: again}]}
  again: {action: core.x, next: [{publish: [{n: <% ctx(n) + 1 %>}, {m: <% ctx(m) %>}], do: again}]}
"""
    assert [error["spec_path"] for error in found(text)] == ["tasks.again.next[0].publish[1]"]


def test_actions_and_their_input_are_checked_where_a_catalogue_is_given() -> None:
    echo = Action(
        pack="core", name="echo", runner_type="noop", parameters={"message": {"required": True}, "to": {}}
    )
    text = """
version: 1.0
tasks:
  a: {action: core.echo, input: {to: x, too: y}}
  b: {action: core.nothing}
  c: {action: echo}
  d: {action: <% 'any.thing' %>}
"""
    errors = found(text, action_of={"core.echo": echo}.get)
    assert [(error["message"], error["spec_path"]) for error in errors] == [
        ('The action "core.nothing" is not registered in the database.', "tasks.b.action"),
        ('The action reference "echo" is not formatted correctly.', "tasks.c.action"),
        ('Action "core.echo" is missing required input "message".', "tasks.a.input"),
        ('Action "core.echo" has unexpected input "too".', "tasks.a.input.too"),
    ]
    assert {error["type"] for error in errors} == {"content"}
