"""Action chains: the older dialect on the same graph."""

from __future__ import annotations

from typing import Any

import pytest

from st_ops.expressions.datastore import SYSTEM
from st_ops.model.status import Status
from st_ops.workflows import facts as f
from st_ops.workflows import signals as s
from st_ops.workflows.dialects.action_chain import inspect
from tests.unit.workflows.scripted import Ended, Run, ScriptedWorld, chain, failed

THREE = """
vars: {greeting: "Hello {{ who }}"}
chain:
  - name: make
    ref: core.make
    params: {size: "{{ size }}", text: "{{ greeting }}"}
    publish: {made: "{{ make.id }}", same: "{{ results.make }}"}
    on-success: use
    on-failure: repair
  - name: use
    ref: core.use
    parameters: {id: "{{ made }}", size: "{{ results.make.size }}", all: "{{ make }}"}
  - name: repair
    ref: core.repair
"""


def ran(text: str, script: Any, **inputs: Any) -> Run:
    return Run(chain(text), script, inputs=inputs).to_end()


def test_parameters_see_inputs_variables_and_earlier_results_with_their_types() -> None:
    run = ran(THREE, lambda request: {"id": 7, **request.parameters}, size=3, who="Ada")
    requests = [fact.parameters for fact in run.log if isinstance(fact, f.TaskRequested)]
    assert requests == [
        {"size": 3, "text": "Hello Ada"},
        {"id": 7, "size": 3, "all": {"id": 7, "size": 3, "text": "Hello Ada"}},
    ]


def test_the_result_lists_the_tasks_and_what_was_published() -> None:
    run = ran(THREE, lambda _: {"id": 7, "size": 1}, size=3, who="Ada")
    result = run.outcome.result
    assert run.is_(Status.SUCCEEDED)
    assert result["published"] == {"made": 7, "same": {"id": 7, "size": 1}}
    assert result["tasks"][0] == {
        "id": "make",
        "name": "make",
        "execution_id": "x-make.r0.v1.a1",
        "liveaction_id": "x-make.r0.v1.a1",
        "workflow": None,
        "created_at": "2026-01-01T00:00:00.000000Z",
        "updated_at": "2026-01-01T00:00:02.000000Z",
        "state": "succeeded",
        "result": {"id": 7, "size": 1},
    }
    assert [task["name"] for task in result["tasks"]] == ["make", "use"]


def test_a_failure_takes_the_way_of_failure_and_the_last_task_decides() -> None:
    def script(request: f.TaskRequested) -> Any:
        return failed({"id": 1}) if request.action == "core.make" else {}

    run = ran(THREE, script, size=1, who="Ada")
    assert (run.started, run.outcome.status) == (["make", "repair"], Status.SUCCEEDED)
    assert run.outcome.result["published"]["made"] == 1


@pytest.mark.parametrize("status", [Status.FAILED, Status.TIMEOUT])
def test_a_failure_without_a_way_out_is_the_end_of_the_chain(status: Status) -> None:
    run = ran("chain: [{name: a, ref: core.x}]", lambda _: Ended(status))
    assert run.outcome.status is status
    assert "error" not in run.outcome.result


def test_a_canceled_task_cancels_the_chain_and_a_pending_one_pauses_it() -> None:
    assert (
        ran("chain: [{name: a, ref: core.x}]", lambda _: Ended(Status.CANCELED)).state.status
        is Status.CANCELED
    )
    run = Run(chain("chain: [{name: a, ref: core.ask, on-success: b}, {name: b, ref: core.x}]")).start()
    request = run.open.popleft()
    run.send(s.TaskPaused(key=request.key, status=Status.PENDING))
    assert run.is_(Status.PAUSED)
    run.finish(request, {"ok": True})
    assert run.to_end().started == ["a", "b"]


def test_the_chain_starts_at_default_or_at_the_first_that_none_leads_to() -> None:
    text = "chain: [{name: b, ref: core.x}, {name: a, ref: core.x, on-success: b}]"
    assert ran(text, lambda _: {}).started == ["a", "b"]
    assert ran(text + "\ndefault: b", lambda _: {}).started == ["b"]


def test_a_chain_may_loop_and_name_its_next_task_by_a_template() -> None:
    text = """
chain:
  - {name: try, ref: core.x, on-success: "{{ 'done' if try.n > 2 else 'try' }}"}
  - {name: done, ref: core.x}
"""
    number = iter(range(1, 9))
    assert ran(text, lambda _: {"n": next(number)}).started == ["try", "try", "try", "done"]


def test_a_template_that_names_no_task_fails_the_chain() -> None:
    run = ran("chain: [{name: a, ref: core.x, on-success: '{{ a.next }}'}]", lambda _: {"next": "zz"})
    assert run.is_(Status.FAILED)
    assert 'Unable to find node with name "zz".' in run.outcome.result["error"]
    assert "line 1" in run.outcome.result["traceback"]


def test_parameters_that_cannot_be_rendered_fail_the_chain_and_name_the_task() -> None:
    run = ran("chain: [{name: a, ref: core.x, params: {p: '{{ nothing.there }}'}}]", lambda _: {})
    assert (run.outcome.status, run.started) == (Status.FAILED, [])
    assert "nothing" in run.outcome.result["error"]


def test_templates_see_the_datastore_the_config_and_the_parents_context() -> None:
    text = """
vars: {k: "{{ st2kv.system.k }}"}
chain:
  - name: a
    ref: core.x
    params: {k: "{{ k }}", s: "{{ system.k }}", c: "{{ config_context.region }}", u: "{{ action_context.parent.user }}"}
"""
    run = Run(chain(text), world=ScriptedWorld({(SYSTEM, "k"): "v"})).to_end()
    assert run.outcome.result["tasks"][0]["result"] == {"k": "v", "s": "v", "c": "eu-1", "u": "stanley"}


def test_a_dict_published_twice_is_replaced_not_merged() -> None:
    text = """
chain:
  - {name: a, ref: core.x, publish: {d: "{{ a }}"}, on-success: b}
  - {name: b, ref: core.x, publish: {d: "{{ b }}"}}
"""
    run = ran(text, lambda request: {request.run[0]: 1})
    assert run.outcome.result["published"] == {"d": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("chain: []", 1, "[]"),
        ("chain:\n  - {name: a}", 2, "'ref' is a required property"),
        ("chain:\n  - {name: a, ref: x.y, on-sucess: b}", 2, "'on-sucess' was unexpected"),
        ("chain:\n  - {name: a, ref: x.y}\ndefault: b", 3, '"b" is not a task'),
        ("chain:\n  - name: a\n    ref: x.y\n    on-success: b", 4, "there is no such task"),
        ("chain:\n  - {name: a, ref: x.y}\n  - {name: a, ref: x.y}", 3, "given twice"),
        (
            "chain:\n  - {name: a, ref: x.y, params: {p: 1}, parameters: {p: 2}}",
            2,
            'both "params" and "parameters"',
        ),
        ("chain:\n  - name: a\n    name: b\n    ref: x.y", 3, "'name' is given twice"),
        ("chain: [", 1, "not valid YAML"),
        ("", 1, "empty"),
    ],
)
def test_a_chain_that_cannot_work_is_refused_with_its_line(text: str, line: int, part: str) -> None:
    _, errors = inspect(text)
    assert [error["line"] for error in errors] == [line]
    assert part in errors[0]["message"]
