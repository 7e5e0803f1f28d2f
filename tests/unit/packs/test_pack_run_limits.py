"""The key ``limits`` of an action: what one run of it may use."""

from __future__ import annotations

import pytest

from st_ops.settings import LimitsSettings

ACTION = "name: greet\nrunner_type: local-shell-cmd\nparameters:\n  cmd:\n    default: echo hi\nlimits:\n"


def test_limits_are_taken_as_they_are_written(load):
    loaded = load({"actions/greet.yaml": ACTION + "  memory_mb: 1.5\n  open_files: 64\n  cpu_seconds: 0\n"})
    assert loaded.problems == []
    assert loaded.find("action", "greet").limits == {"memory_mb": 1.5, "open_files": 64, "cpu_seconds": 0}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("memory: 5", "'limits' has no key 'memory'; it takes memory_mb, "),
        ("memory_gb: 5", "Did you mean 'memory_mb'?"),
        ("memory_mb: lots", "'memory_mb' (memory of each process, in MB; of a container as a whole) must be a number"),
        ("cpu_seconds: 1.5", "must be a whole number from 0, not 1.5."),
        ("open_files: -1", "must be a whole number from 0, not -1."),
        ("file_mb: true", "must be a number from 0, not True."),
        ("cpus: 2", "'cpus' limits containers only, not the runner local-shell-cmd."),
    ],
)  # fmt: skip
def test_a_limit_that_is_wrong_is_told_with_its_line(load, written: str, said: str):
    (problem,) = load({"actions/greet.yaml": ACTION + f"  output_bytes: 1\n  {written}\n"}).problems
    assert said in problem.message
    key = written.partition(":")[0]
    assert (problem.path, problem.line, problem.key) == ("actions/greet.yaml", 8, f"limits.{key}")


def test_limits_of_an_action_in_python_are_checked_too(load):
    source = "from st_ops.sdk import action\n\n\n@action(limits={'memory': 1})\ndef work() -> None: ...\n"
    (problem,) = load({"actions/work.py": source}).problems
    assert "Did you mean 'memory_mb'?" in problem.message
    assert problem.path == "actions/work.py"


def test_memory_is_limited_unless_told_otherwise():
    assert LimitsSettings().memory_mb > 0
