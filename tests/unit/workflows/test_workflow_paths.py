"""Which tasks run, in which order, and with what outcome: workflow text, what its actions do, what comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from st_ops.model.status import Status
from st_ops.workflows import facts as f
from tests.unit.workflows.scripted import Run, failed, orquesta


@dataclass(frozen=True)
class Case:
    text: str
    ran: list[str]
    status: Status = Status.SUCCEEDED
    output: dict[str, Any] | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    #: Task name → what its actions end with, in order; the last repeats. Others return their parameters.
    does: dict[str, list[Any]] = field(default_factory=dict)


CASES = {
    "tasks in sequence pass what they publish": Case(
        """
version: 1.0
input: [who, {greeting: Hello}]
vars: [{line: "<% ctx(greeting) %>, <% ctx(who) %>"}]
output: [{said: <% ctx(said) %>}, {twice: "{{ ctx('said') }}{{ ctx('said') }}"}]
tasks:
  say:
    action: core.echo message=<% ctx(line) %>
    next:
      - when: <% succeeded() %>
        publish: said=<% result().message %>
        do: done
  done:
    action: core.noop
""",
        ["say", "done"],
        output={"said": "Hello, Ada", "twice": "Hello, AdaHello, Ada"},
        inputs={"who": "Ada"},
    ),
    "every condition that holds is followed": Case(
        """
version: 1.0
tasks:
  ask:
    action: core.ask
    next: [{when: "<% result().n > 1 %>", do: big}, {when: "<% result().n > 0 %>", do: [some, other]}]
  big: {action: core.noop}
  some: {action: core.noop}
  other: {action: core.noop}
""",
        ["ask", "big", "other", "some"],
        does={"ask": [{"n": 2}]},
    ),
    "a join waits for all branches and sees what each published": Case(
        """
version: 1.0
vars: [{a: 0}, {b: 0}]
output: [{both: "<% ctx(a) %>-<% ctx(b) %>"}]
tasks:
  fork: {action: core.noop, next: [{publish: [{a: 1}, {b: 1}], do: "left, right"}]}
  left: {action: core.noop, next: [{publish: [{a: 2}], do: join}]}
  right: {action: core.noop, next: [{do: later}]}
  later: {action: core.noop, next: [{do: join}]}
  join: {action: core.noop, join: all}
""",
        ["fork", "left", "right", "later", "join"],
        output={"both": "2-1"},
    ),
    "dicts published on two branches are merged at the join": Case(
        """
version: 1.0
vars: [{hosts: {z: 0}}]
output: [{hosts: <% ctx(hosts) %>}]
tasks:
  a: {action: core.noop, next: [{publish: [{hosts: {a: 1}}], do: join}]}
  b: {action: core.noop, next: [{publish: [{hosts: {b: 2}}], do: join}]}
  join: {action: core.noop, join: all}
""",
        ["a", "b", "join"],
        output={"hosts": {"z": 0, "a": 1, "b": 2}},
    ),
    "a counting join starts once, and a late branch does not start it again": Case(
        """
version: 1.0
output: [{late: <% ctx(late) %>}]
tasks:
  a: {action: core.noop, next: [{do: join}]}
  b: {action: core.noop, next: [{do: join}]}
  c: {action: core.noop, next: [{do: d}]}
  d: {action: core.noop, next: [{publish: [{late: true}], do: join}]}
  join: {action: core.noop, join: 2}
""",
        ["a", "b", "c", "join", "d"],
        output={"late": True},
    ),
    "a task that two lead to without a join runs once for each, on a route of its own": Case(
        """
version: 1.0
tasks:
  a: {action: core.noop, next: [{do: notify}]}
  b: {action: core.noop, next: [{do: notify}]}
  notify: {action: core.noop, next: [{do: after}]}
  after: {action: core.noop}
""",
        ["a", "b", "notify__r1", "notify__r2", "after__r1", "after__r2"],
    ),
    "a loop runs until its condition fails, on one route": Case(
        """
version: 1.0
vars: [{n: 0}]
output: [{n: <% ctx(n) %>}]
tasks:
  begin: {next: [{do: count}]}
  count:
    action: core.noop
    next:
      - {when: <% ctx(n) < 2 %>, publish: [{n: <% ctx(n) + 1 %>}], do: count}
      - {when: <% ctx(n) >= 2 %>, do: noop}
""",
        ["begin", "count", "count", "count"],
        output={"n": 2},
    ),
    "a join in a loop waits anew each time round": Case(
        """
version: 1.0
vars: [{n: 0}]
tasks:
  begin: {next: [{do: fork}]}
  fork: {next: [{do: [left, right]}]}
  left: {action: core.noop, next: [{do: join}]}
  right: {action: core.noop, next: [{do: join}]}
  join: {join: all, next: [{when: <% ctx(n) < 1 %>, publish: [{n: <% ctx(n) + 1 %>}], do: fork}]}
""",
        ["begin", "fork", "left", "right", "join", "fork", "left", "right", "join"],
    ),
    "a task without an action succeeds at once": Case(
        "version: 1.0\noutput: [{x: <% ctx(x) %>}]\ntasks:\n  a: {next: [{publish: [{x: 1}], do: b}]}\n  b: {}\n",
        ["a", "b"],
        output={"x": 1},
    ),
    "a failure that is handled does not fail the workflow": Case(
        """
version: 1.0
tasks:
  risky: {action: core.x, next: [{when: <% failed() %>, do: repair}]}
  repair: {action: core.noop}
""",
        ["risky", "repair"],
        does={"risky": [failed()]},
    ),
    "noop handles a failure, continue does not": Case(
        "version: 1.0\ntasks:\n  a: {action: core.x, next: [{when: <% failed() %>, do: noop}]}\n",
        ["a"],
        does={"a": [failed()]},
    ),
    "continue after a failure fails the workflow": Case(
        "version: 1.0\ntasks:\n  a: {action: core.x, next: [{do: continue}]}\n",
        ["a"],
        Status.FAILED,
        does={"a": [failed()]},
    ),
    "clean-up beside fail still runs": Case(
        """
version: 1.0
output: [{why: <% ctx(why) %>}]
tasks:
  a: {action: core.x, next: [{when: <% failed() %>, publish: [{why: broken}], do: [cleanup, fail]}]}
  cleanup: {action: core.noop}
""",
        ["a", "cleanup"],
        Status.FAILED,
        {"why": "broken"},
        does={"a": [failed()]},
    ),
    "after an unhandled failure what runs may finish and nothing new starts": Case(
        """
version: 1.0
tasks:
  bad: {action: core.x}
  slow: {action: core.noop, next: [{do: never}]}
  never: {action: core.noop}
""",
        ["bad", "slow"],
        Status.FAILED,
        does={"bad": [failed()]},
    ),
    "a retry runs the task again until it succeeds, and transitions follow the last try": Case(
        """
version: 1.0
output: [{n: <% ctx(n) %>}]
tasks:
  a: {action: core.x, retry: {count: 3, delay: 5}, next: [{when: <% succeeded() %>, publish: [{n: <% result() %>}]}]}
""",
        ["a"],
        output={"n": 42},
        does={"a": [failed(), failed(), 42]},
    ),
    "a retry that is used up lets the task fail": Case(
        "version: 1.0\ntasks:\n  a: {action: core.x, retry: {count: <% 1 %>}}\n",
        ["a"],
        Status.FAILED,
        does={"a": [failed()]},
    ),
    "a retry may look at the result of a task that succeeded": Case(
        "version: 1.0\ntasks:\n  a: {action: core.x, retry: {when: <% result() != ready %>, count: 5}}\n",
        ["a"],
        does={"a": ["busy", "busy", "ready"]},
    ),
    "the command retry tries three more times": Case(
        "version: 1.0\ntasks:\n  a: {action: core.x, next: [{when: <% failed() %>, do: retry}]}\n",
        ["a"],
        does={"a": [failed(), failed(), failed(), "fine"]},
    ),
    "an action may be named by an expression": Case(
        "version: 1.0\ninput: [ref]\ntasks:\n  a: {action: <% ctx(ref) %>}\n",
        ["a"],
        inputs={"ref": "core.noop"},
    ),
    "Jinja works like YAQL": Case(
        """
version: 1.0
input: [{n: 3}]
output: [{n: "{{ ctx().n }}"}, {text: "n={{ ctx('n') }}"}]
tasks:
  a: {action: core.x, input: {n: "{{ ctx().n }}"}, next: [{when: "{{ succeeded() and result().n == 3 }}", do: b}]}
  b: {action: core.noop}
""",
        ["a", "b"],
        output={"n": 3, "text": "n=3"},
    ),
    "an expression can ask for another task's status and result": Case(
        """
version: 1.0
output: [{a: <% task_status(a) %>}, {r: <% task(a).result %>}, {never: <% task_status(c) %>}]
tasks:
  a: {action: core.x, next: [{when: <% failed() %>, do: b}]}
  b: {action: core.noop, next: [{when: <% failed() %>, do: c}]}
  c: {action: core.noop}
""",
        ["a", "b"],
        output={"a": "failed", "r": "oops", "never": "null"},
        does={"a": [failed("oops")]},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_workflow_takes_the_path_its_text_says(case: Case) -> None:
    left = {name: list(ends) for name, ends in case.does.items()}

    def script(request: f.TaskRequested) -> Any:
        ends = left.get(run.state.runs[request.run].name)
        if ends is None:
            return request.parameters
        return ends.pop(0) if len(ends) > 1 else ends[0]

    run = Run(orquesta(case.text), script, inputs=case.inputs)
    run.to_end()
    assert (run.started, run.outcome.status, run.outcome.result["output"]) == (
        case.ran,
        case.status,
        case.output,
    )


def test_delays_of_tasks_and_retries_go_out_with_the_request() -> None:
    run = Run(
        orquesta(
            "version: 1.0\ntasks:\n  a: {action: core.x, delay: <% 7 %>, retry: {count: 1, delay: 3}}\n"
        ),
        lambda _: failed(),
    ).start()
    assert [request.delay for request in run.open] == [7]
    run.finish(run.of("a"))
    assert [(request.delay, request.attempt) for request in run.open] == [(3, 2)]


def test_keys_of_children_are_unique_and_the_same_on_every_node() -> None:
    text = CASES["a loop runs until its condition fails, on one route"].text
    requests = [
        [fact.key for fact in Run(orquesta(text)).to_end().log if isinstance(fact, f.TaskRequested)]
        for _ in "ab"
    ]
    assert requests[0] == requests[1] == ["count.r0.v1.a1", "count.r0.v2.a1", "count.r0.v3.a1"]


def test_tasks_without_actions_that_loop_for_ever_fail_the_workflow() -> None:
    text = (
        "version: 1.0\ntasks:\n  begin: {next: [{do: a}]}\n  a: {next: [{do: b}]}\n  b: {next: [{do: a}]}\n"
    )
    run = Run(orquesta(text)).to_end()
    assert run.outcome.status is Status.FAILED
    assert "without end" in run.outcome.result["errors"][0]["message"]


def test_input_given_at_run_time_is_data_and_is_not_evaluated() -> None:
    text = "version: 1.0\ninput: [x]\ntasks:\n  a: {action: core.x, input: {x: <% ctx(x).text %>}}\n"
    attack = {"text": "<% st2kv('system.password', decrypt => true) %>"}
    run = Run(orquesta(text), inputs={"x": attack}).to_end()
    assert run.outcome.status is Status.FAILED
    assert (
        "may not be called in text that came out of another expression"
        in run.outcome.result["errors"][0]["message"]
    )
