"""A workflow as a tree, at one moment and line by line."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from st_ops.cli.tree import Workflow, draw, essence, follow

AT = "2026-01-31T12:00:0{}.000000Z"
ROOT = {
    "id": "r", "status": "running", "action_ref": "web.scale_out", "start_timestamp": AT.format(0), "result_size": 0,
}  # fmt: skip


def _task(identifier: str, name: str, status: str, **more: Any) -> dict[str, Any]:
    return {
        "id": identifier, "parent": "r", "status": status, "action_ref": f"aws.{name}", "task": {"name": name},
        "start_timestamp": AT.format(1), **({"end_timestamp": AT.format(3)} if status != "running" else {}), **more,
    }  # fmt: skip


class Replies:
    """A server of the outside world, whose execution moves on with each look."""

    def __init__(self, *moments: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
        self._moments = list(moments)
        self._present = self._moments[0]
        self.asked: list[str] = []

    def get(self, path: str, **query: Any) -> Any:
        self.asked.append(path)
        if path.endswith("/children"):
            return self._present[1]
        if "/attribute/" in path:
            return {"result": f"result of {path.split('/')[2]}"}
        self._present = self._moments.pop(0) if len(self._moments) > 1 else self._moments[0]
        return self._present[0]


def _drawn(state: Workflow, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(draw(state, width))
    return out.getvalue()


def test_each_task_has_its_status_duration_and_result():
    tasks = [
        _task("a", "create", "succeeded"),
        _task("b", "provision", "running"),
        _task("c", "sub", "failed", reason="No disk."),
    ]
    tasks.append({**_task("d", "inner", "succeeded"), "parent": "c"})
    drawn = _drawn(Workflow(ROOT, tasks, {"a": {"result": {"id": "i-1"}}}))
    lines = drawn.splitlines()
    assert "web.scale_out" in lines[0]
    assert lines[1].startswith("├── ✓ create")
    assert "succeeded" in lines[1]
    assert "2.0 s" in lines[1]
    assert '{"id": "i-1"}' in lines[1]
    assert "● provision" in lines[2]
    assert "No disk." in lines[3]
    assert lines[4].startswith("    └── ✓ inner")


def test_no_line_is_wider_than_the_terminal():
    long = {"a": {"result": "x" * 500}}
    drawn = _drawn(Workflow(ROOT, [_task("a", "create", "succeeded")], long), width=60)
    assert all(len(line) <= 60 for line in drawn.splitlines())
    assert "…" in drawn


def test_a_repeated_task_shows_its_item_and_its_try():
    task = _task("a", "create", "running", task={"name": "create", "item": 2, "attempt": 3})
    assert "create[2] (try 3)" in _drawn(Workflow(ROOT, [task]))


def test_following_tells_each_change_once_and_answers_the_end():
    replies = Replies(
        (ROOT, []),
        (ROOT, [_task("a", "create", "running")]),
        (ROOT, [_task("a", "create", "running")]),
        ({**ROOT, "status": "succeeded", "end_timestamp": AT.format(9)}, [_task("a", "create", "succeeded")]),
    )
    out = io.StringIO()
    ended = follow(replies, "r", Console(file=out, width=120), step=0)
    assert ended["status"] == "succeeded"
    assert ended["result"] == {"result": "result of r"}
    assert [line.split("  ")[:2] for line in out.getvalue().splitlines()] == [
        ["● web.scale_out", "running"],
        ["● create", "running"],
        ["✓ create", "succeeded"],
        ["✓ web.scale_out", "succeeded"],
    ]
    assert replies.asked.count("/executions/a/attribute/result") == 1


def test_following_on_a_terminal_draws_the_tree():
    out = io.StringIO()
    replies = Replies(
        ({**ROOT, "status": "failed", "end_timestamp": AT.format(9)}, [_task("a", "create", "failed")])
    )
    follow(replies, "r", Console(file=out, width=120, force_terminal=True), step=0)
    assert "✗ create" in out.getvalue().replace("\x1b[1m", "").replace("\x1b[31m", "").replace("\x1b[0m", "")


def test_following_gives_up_after_its_time():
    with pytest.raises(TimeoutError, match="still running"):
        follow(Replies((ROOT, [])), "r", Console(file=io.StringIO()), seconds=0, step=0)


@pytest.mark.parametrize(
    ("result", "seen"),
    [
        ({"result": 5, "exit_code": 0, "stdout": "", "stderr": ""}, 5),
        ({"stdout": "hi", "stderr": "", "return_code": 0, "failed": False, "succeeded": True}, "hi"),
        ({"stdout": "", "stderr": "no", "return_code": 1, "failed": True, "succeeded": False}, "no"),
        ({"output": {"a": 1}}, {"a": 1}),
        ({"output": None, "errors": [{"message": "broken"}, {"message": "and more"}]}, "broken; and more"),
        ({"error": "why", "traceback": "…"}, "why"),
        ({"stdout": "", "stderr": "", "return_code": 0}, ""),
        ({"host1": {"stdout": "x"}}, {"host1": {"stdout": "x"}}),
        (None, ""),
        ("text", "text"),
    ],
)
def test_the_essence_of_a_result_is_what_a_person_wants(result: Any, seen: Any):
    assert essence(result) == seen
