"""Tasks that run once per item."""

from __future__ import annotations

from typing import Any

from st_ops.model.status import Status
from st_ops.workflows import facts as f
from st_ops.workflows import signals as s
from tests.unit.workflows.scripted import Ended, Run, failed, orquesta


def workflow(extra: str = "", given: str = "<% ctx(xs) %>", named: str = "<% item() %>") -> str:
    return f"""
version: 1.0
input: [xs]
output: [{{all: <% ctx(all) %>}}]
tasks:
  each:
    with: {{items: "{given}"{extra}}}
    action: core.echo
    input: {{x: "{named}"}}
    next: [{{publish: [{{all: <% result() %>}}], when: <% succeeded() %>}}]
"""


def echo(request: f.TaskRequested) -> Any:
    return request.parameters["x"]


def test_results_come_in_the_order_of_the_items_whatever_ends_first() -> None:
    run = Run(orquesta(workflow()), echo, inputs={"xs": ["a", "b", "c"]}).start()
    for request in reversed(list(run.open)):
        run.finish(request)
    assert run.outcome.result == {"output": {"all": ["a", "b", "c"]}}


def test_an_empty_list_succeeds_at_once() -> None:
    run = Run(orquesta(workflow()), echo, inputs={"xs": []}).to_end()
    assert run.outcome.result == {"output": {"all": []}}


def test_no_more_run_at_once_than_the_concurrency_allows() -> None:
    run = Run(orquesta(workflow(", concurrency: 2")), echo, inputs={"xs": list("abcde")}).start()
    most = 0
    while run.open:
        most = max(most, len(run.open))
        run.finish(run.open[0])
    assert (most, run.outcome.result["output"]) == (2, {"all": list("abcde")})


def test_a_concurrency_below_one_counts_as_one() -> None:
    run = Run(orquesta(workflow(", concurrency: <% 0 %>")), echo, inputs={"xs": ["a", "b"]}).start()
    assert len(run.open) == 1


def test_several_lists_are_zipped_and_named() -> None:
    text = workflow(given="a, b in <% zip(ctx(xs), [1, 2]) %>", named="<% item(a) %><% item(b) %>")
    run = Run(orquesta(text), echo, inputs={"xs": ["p", "q"]}).to_end()
    assert run.outcome.result["output"] == {"all": ["p1", "q2"]}


def test_after_a_failed_item_no_other_starts_and_the_task_fails_once_the_active_are_over() -> None:
    run = Run(orquesta(workflow(", concurrency: 2")), echo, inputs={"xs": list("abcd")}).start()
    first, second = run.open
    run.finish(first, failed("no"))
    assert list(run.open) == [second]
    assert run.is_(Status.RUNNING)
    run.finish(second)
    assert run.is_(Status.FAILED)
    assert [error["result"] for error in run.outcome.result["errors"] if "result" in error] == ["no"]


def test_a_retry_runs_all_items_again() -> None:
    text = workflow().replace("    action:", "    retry: {count: 1, delay: 2}\n    action:")
    run = Run(orquesta(text), echo, inputs={"xs": ["a", "b"]}).start()
    run.finish(run.open[0], failed())
    run.finish(run.open[0])
    assert [(request.key, request.delay) for request in run.open] == [
        ("each.r0.v1.i0.a2", 2),
        ("each.r0.v1.i1.a2", 2),
    ]
    assert run.to_end().outcome.result["output"] == {"all": ["a", "b"]}


def test_pausing_lets_active_items_finish_and_resuming_goes_on_with_the_rest() -> None:
    run = Run(orquesta(workflow(", concurrency: 1")), echo, inputs={"xs": ["a", "b"]}).start()
    run.send(s.PauseRequested())
    run.finish(run.open[0])
    assert (run.state.status, list(run.open)) == (Status.PAUSED, [])
    run.send(s.ResumeRequested())
    assert run.to_end().outcome.result["output"] == {"all": ["a", "b"]}


def test_canceling_drops_the_items_that_have_not_started() -> None:
    run = Run(orquesta(workflow(", concurrency: 1")), echo, inputs={"xs": ["a", "b"]}).start()
    run.send(s.CancelRequested())
    run.finish(run.open[0], Ended(Status.CANCELED))
    assert run.is_(Status.CANCELED)


def test_the_delay_of_a_task_holds_back_only_the_first_items() -> None:
    text = workflow(", concurrency: 1").replace("    action:", "    delay: 9\n    action:")
    run = Run(orquesta(text), echo, inputs={"xs": ["a", "b"]}).start()
    delays = [run.open[0].delay]
    run.finish(run.open[0])
    assert [*delays, run.open[0].delay] == [9, 0]


def test_an_expression_sees_each_items_status_and_result() -> None:
    text = workflow().replace("<% ctx(all) %>", "<% task(each).result %>")
    run = Run(orquesta(text), echo, inputs={"xs": ["a"]}).to_end()
    assert run.outcome.result["output"] == {"all": {"items": [{"status": "succeeded", "result": "a"}]}}
