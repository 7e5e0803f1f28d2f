"""What a task costs does not depend on how many there are. Counted, not timed."""

from __future__ import annotations

import json
import math
from functools import cache

from st_ops.model.status import Status
from st_ops.workflows import facts as f
from tests.unit.workflows.scripted import Run, orquesta


@cache
def sequence(count: int) -> Run:
    """``count`` tasks in a row, each publishing a variable of its own and reading the one before."""
    lines = ["version: 1.0", "vars: [{v00000: 0}]", "tasks:"]
    for index in range(1, count + 1):
        lines += [
            f"  t{index:05}:",
            "    action: core.x",
            f"    input: {{x: <% ctx(v{index - 1:05}) %>}}",
            "    next:",
            f"      - publish: [{{v{index:05}: <% result().x %>}}]",
            f"        do: {f't{index + 1:05}' if index < count else 'noop'}",
        ]
    run = Run(orquesta("\n".join(lines))).to_end()
    assert run.state.status is Status.SUCCEEDED
    return run


def test_the_log_grows_by_the_same_for_each_task() -> None:
    sizes = {}
    for count in (100, 1000):
        log = sequence(count).log
        middle = [fact for fact in log if fact.key.startswith(f"t{count // 2:05}.")]
        sizes[count] = sum(len(json.dumps(f.dump(fact))) for fact in middle), len(log) / count
    assert abs(sizes[100][0] - sizes[1000][0]) <= 4  # at most the number of the fact has more digits
    assert sizes[1000][1] <= sizes[100][1] <= 5.1


def test_extending_a_context_copies_a_logarithm_of_it_at_most() -> None:
    for count in (100, 1000):
        assert sequence(count).state.last.copied / count <= math.log2(count)


def test_results_are_looked_up_only_where_an_expression_asks_for_them() -> None:
    for count in (100, 1000):
        assert sequence(count).world.looked_up == count
