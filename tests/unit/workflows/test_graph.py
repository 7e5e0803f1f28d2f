"""What a graph knows of itself."""

from __future__ import annotations

from st_ops.workflows.cycles import on_cycles
from st_ops.workflows.progress import progress
from tests.unit.workflows.scripted import Run, failed, orquesta

TEXT = """
version: 1.0
tasks:
  b: {action: core.x, next: [{when: <% succeeded() %>, do: [join, noop]}, {do: join}]}
  a: {action: core.x, next: [{do: join}]}
  join: {action: core.x, join: all, next: [{do: twice}, {do: twice}]}
  twice: {action: core.x}
"""


def test_tasks_that_nothing_leads_to_start_in_the_order_of_their_names() -> None:
    assert orquesta(TEXT).start == ("a", "b")


def test_edges_are_told_apart_by_number() -> None:
    assert [edge.id for edge in orquesta(TEXT).edges["b"]] == ["join__t0", "join__t1", "noop__t0"]


def test_joins_splits_and_predecessors_are_found() -> None:
    graph = orquesta(TEXT)
    assert (graph.predecessors("join"), graph.needed("join")) == (("a", "b"), 2)
    assert graph.split == {"twice"}
    assert graph.tasks["join"].line == 6


def test_cycles_are_found_at_any_depth() -> None:
    deep = {str(number): {str(number + 1)} for number in range(5000)} | {"5000": {"4000"}, "alone": {"alone"}}
    assert on_cycles(deep) == {str(number) for number in range(4000, 5001)} | {"alone"}
    assert on_cycles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == frozenset()


def test_progress_shows_every_run_what_it_came_from_and_what_lies_ahead() -> None:
    run = Run(orquesta(TEXT)).start()
    run.finish(run.of("a"))
    seen = progress(run.graph, run.state)
    assert [(task.key, task.status, task.children, task.predecessors) for task in seen.tasks] == [
        ("a.r0.v1", "succeeded", ["a.r0.v1.a1"], []),
        ("b.r0.v1", "running", ["b.r0.v1.a1"], []),
    ]
    assert (seen.due, seen.ahead, seen.failing) == (["join"], ["twice"], False)
    run.finish(run.of("b"))
    joined = progress(run.graph, run.state).tasks[2]
    assert joined.predecessors == ["a.r0.v1", "b.r0.v1"]


def test_progress_says_that_a_workflow_is_bound_to_fail() -> None:
    run = Run(orquesta(TEXT)).start()
    run.finish(run.of("b"), failed())
    assert progress(run.graph, run.state).failing is False
    text = "version: 1.0\ntasks:\n  a: {action: core.x}\n  b: {action: core.x}\n"
    other = Run(orquesta(text)).start()
    other.finish(other.of("a"), failed())
    assert progress(other.graph, other.state).failing is True
