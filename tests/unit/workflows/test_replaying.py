"""The log is the workflow: replaying it gives the state, and a workflow goes on from any commit of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from st_ops.workflows import facts as f
from st_ops.workflows import signals as s
from st_ops.workflows.fold import replay
from tests.unit.workflows.scripted import Run, ScriptedWorld, chain, failed, orquesta
from tests.unit.workflows.test_rerunning import JOIN
from tests.unit.workflows.test_workflow_paths import CASES

TEXTS = {
    **{name: (orquesta(case.text), case.inputs) for name, case in CASES.items()},
    "items with concurrency and retry": (
        orquesta(
            "version: 1.0\noutput: [{r: <% ctx(r) %>}]\ntasks:\n  each:\n"
            "    with: {items: '<% [1, 2, 3] %>', concurrency: 2}\n"
            "    action: core.x\n    input: {n: <% item() %>}\n    retry: {count: 1}\n"
            "    next: [{publish: [{r: <% result() %>}], when: <% completed() %>, do: noop}]\n"
        ),
        {},
    ),
    "action chain": (
        chain(
            "chain:\n  - {name: a, ref: core.x, publish: {v: '{{ a.n }}'}, on-success: b, on-failure: c}\n"
            "  - {name: b, ref: core.x, params: {w: '{{ v }}'}}\n  - {name: c, ref: core.x}\n"
        ),
        {},
    ),
}


def fickle(request: f.TaskRequested) -> Any:
    """Fails or succeeds by the key alone, so that it does the same in every continuation."""
    number = sum(request.key.encode())
    return failed({"n": number}) if number % 3 == 0 else {"n": number, "message": "m"}


@pytest.mark.parametrize("name", TEXTS)
def test_from_every_commit_a_workflow_goes_on_to_the_same_end(name: str) -> None:
    graph, inputs = TEXTS[name]
    whole = Run(graph, fickle, inputs=inputs)
    commits = [0]
    whole.start()
    commits.append(len(whole.log))
    while whole.open:
        whole.finish(whole.open[0])
        commits.append(len(whole.log))
    for commit in commits:
        world = ScriptedWorld()
        prefix = whole.log[:commit]
        ended = {fact.key for fact in prefix if isinstance(fact, f.ActionFinished)}
        world.children = {key: record for key, record in whole.world.children.items() if key in ended}
        again = Run(graph, fickle, inputs=inputs, world=world, log=prefix).to_end()
        assert again.log == whole.log
        assert again.outcome == whole.outcome


@pytest.mark.parametrize("name", TEXTS)
def test_the_state_after_every_commit_is_that_of_the_replayed_log(name: str) -> None:
    graph, inputs = TEXTS[name]
    run = Run(graph, fickle, inputs=inputs).start()
    assert replay(run.log) == run.state
    while run.open:
        run.finish(run.open[0])
        assert replay(run.log) == run.state


def test_pauses_and_reruns_replay_too() -> None:
    run = Run(orquesta(JOIN), fickle).start()
    for signal in (s.PauseRequested(), s.ResumeRequested()):
        run.send(signal)
    run.to_end()
    run.send(s.RerunRequested(tasks=("a",)))
    run.to_end()
    assert replay(run.log) == run.state


@pytest.mark.parametrize("name", TEXTS)
def test_every_fact_survives_the_way_through_a_row_of_json(name: str) -> None:
    graph, inputs = TEXTS[name]
    for fact in Run(graph, fickle, inputs=inputs).to_end().log:
        row = json.loads(json.dumps(f.dump(fact)))
        assert f.load(fact.kind, fact.key, row) == fact


def test_a_log_of_a_later_release_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="version 2; this release reads up to 1"):
        f.load("workflow_started", "", {"version": 2})
