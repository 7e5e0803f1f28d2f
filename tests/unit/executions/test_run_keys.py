"""Run keys: one run per action and key, also when many ask at once; another try; and waiting for another's success."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from st_ops.errors import InvalidInput
from st_ops.executions.requests import Request
from st_ops.model.events import NewEvent
from st_ops.model.requirements import parse_require
from st_ops.model.status import Status
from st_ops.store import events, history
from tests.unit.executions.platform import Stages
from tests.waiting import eventually

Start = Callable[..., Stages]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    opened: list[Stages] = []

    def make(files: dict[str, str], **settings: Any) -> Stages:
        opened.append(Stages(tmp_path, files, **settings))
        return opened[-1]

    yield make
    for stages in opened:
        stages.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings of the store."""
    if request.param == "sqlite":
        return {"synchronous": "normal"}
    return {"url": request.getfixturevalue("postgres_url"), "pool_size": 10}


def shell(name: str, cmd: str, extra: str = "") -> dict[str, str]:
    text = f"name: {name}\nrunner_type: local-shell-cmd\nparameters:\n  cmd:\n    default: {cmd!r}\n{extra}"
    return {f"actions/{name}.yaml": text}


def test_a_hundred_requests_at_once_with_one_key_make_one_execution(
    store: dict[str, Any], start: Start
) -> None:
    stages = start(shell("a", "true"), store=store)
    with ThreadPoolExecutor(100) as pool:
        wishes = [Request(action="t.a", user="ada", run_key="2026-01-31") for _ in range(100)]
        answers = list(pool.map(stages.platform.requests.request, wishes))
    assert len({entry.id for entry, _ in answers}) == 1
    assert sum(new for _, new in answers) == 1
    assert stages.ended(answers[0][0])[0].status is Status.SUCCEEDED
    with stages.platform.database.read() as tx:
        assert history.count(tx, history.ExecutionFilter(action="t.a")) == 1


def test_a_hundred_retries_at_once_of_a_failed_run_make_one_new_execution(
    store: dict[str, Any], start: Start, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    stages = start(shell("a", f"test -e {mark}"), store=store)
    (first,) = stages.ended(stages.ask("t.a", run_key="k"))
    assert first.status is Status.FAILED
    assert stages.ask("t.a", run_key="k").id == first.id
    mark.touch()
    with ThreadPoolExecutor(100) as pool:
        wishes = [Request(action="t.a", user="ada", run_key="k", retry=True) for _ in range(100)]
        answers = list(pool.map(stages.platform.requests.request, wishes))
    # Whoever came after the new one had failed would get another; this one succeeds, so there is one only.
    (second,) = {entry.id for entry, _ in answers}
    assert second != first.id
    (ended,) = stages.ended(answers[0][0])
    assert (ended.status, ended.run_key, ended.context["retry_of"]) == (Status.SUCCEEDED, "k", first.id)
    old = stages.get(first.id)
    assert (old.run_key, old.context["run_key"], old.context["superseded_by"]) == (None, "k", second)
    assert stages.verbs(first)[-1] == "superseded"
    assert stages.ask("t.a", run_key="k", retry=True).id == second


def test_an_execution_waits_for_the_success_it_requires_under_its_run_key(
    store: dict[str, Any], start: Start
) -> None:
    needy = shell("b", "true", "require: {action: t.a}\n")
    stages = start(shell("a", "true") | needy, store=store)
    waiting, other = stages.ask("t.b", run_key="mon"), stages.ask("t.b", run_key="tue")
    assert waiting.status is Status.DELAYED
    assert waiting.reason == "waits for a success of 't.a' under the run key 'mon'"
    stages.ended(stages.ask("t.a", run_key="mon"))
    (ended,) = stages.ended(waiting)
    assert ended.status is Status.SUCCEEDED
    assert stages.get(other.id).status is Status.DELAYED
    # What has succeeded already is not waited for.
    assert stages.ended(stages.ask("t.b", run_key="mon", parameters={"cmd": "true"}))[0].id == waiting.id
    with pytest.raises(InvalidInput, match="under the same run key, and none was given"):
        stages.ask("t.b")


def test_a_failure_of_what_is_required_is_waited_out_until_its_retry_succeeds(
    start: Start, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    needy = shell("b", "true", "require: [{action: t.a, run_key: 'day-{{ run_key }}'}]\n")
    stages = start(shell("a", f"test -e {mark}") | needy)
    waiting = stages.ask("t.b", run_key="1")
    stages.ended(stages.ask("t.a", run_key="day-1"))
    assert stages.get(waiting.id).status is Status.DELAYED
    mark.touch()
    stages.ended(stages.ask("t.a", run_key="day-1", retry=True))
    assert stages.ended(waiting)[0].status is Status.SUCCEEDED


def test_a_recent_success_is_enough_where_one_is_required_within_hours(start: Start) -> None:
    needy = shell("b", "true", "require: {action: t.a, within: 24h}\n")
    stages = start(shell("a", "true") | needy)
    waiting = stages.ask("t.b")
    assert "a success of 't.a' not older than 86400 s" in waiting.reason
    stages.ended(stages.ask("t.a"))
    assert stages.ended(waiting)[0].status is Status.SUCCEEDED
    assert stages.ask("t.b").status is Status.REQUESTED


def test_who_waits_too_long_for_what_is_required_fails_and_says_so(start: Start) -> None:
    needy = shell(
        "b", "true", "require: {action: t.a, within: 24h, timeout: 100ms}\nconcurrency: {limit: 1}\n"
    )
    stages = start(shell("a", "true") | needy)
    (ended,) = stages.ended(stages.ask("t.b"))
    assert ended.status is Status.FAILED
    assert ended.reason == "waited 0.1 s in vain for a success of 't.a' not older than 86400 s"


def test_what_waits_can_be_canceled(start: Start) -> None:
    stages = start(shell("a", "true") | shell("b", "true", "require: {action: t.a}\n"))
    waiting = stages.ask("t.b", run_key="x")
    assert stages.platform.orders.cancel(waiting.id, "ada").status is Status.CANCELED
    stages.ended(stages.ask("t.a", run_key="x"))
    assert stages.get(waiting.id).status is Status.CANCELED


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("t.a", "'require' must be a mapping"),
        ({"run_key": "x"}, "'require.action' is None; expected the ref"),
        ({"action": "t.a", "whithin": 1}, "'require' has no key 'whithin'"),
        ({"action": "t.a", "within": "soon"}, "'require.within' is not valid: 'soon' is not a duration"),
        ({"action": "t.a", "run_key": "x", "within": 5}, "says both 'run_key' and 'within'"),
        ([{"action": "t.a"}, {"action": "b"}], "'require.1.action' is 'b'"),
    ],
)
def test_a_require_that_makes_no_sense_is_refused_by_its_key(given: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_require(given)
    assert message in str(caught.value)


RULE = """\
name: {name}
enabled: true
trigger: {{type: t.thing}}
action: {{ref: t.a}}
run_key: "{key}"
"""


def test_a_rule_derives_the_run_key_from_its_event(start: Start) -> None:
    files = {
        **shell("a", "true"),
        "triggers/thing.yaml": "name: thing\n",
        "rules/keyed.yaml": RULE.format(name="keyed", key="{{ trigger.episode }}"),
    }
    stages = start(files)
    for episode in ("e1", "e1", "e2", ""):
        event = NewEvent(trigger="t.thing", payload={"episode": episode})
        stages.platform.intake.accept(event).result(10)
    eventually(lambda: len(_enforcements(stages)) == 4, 20, "four enforcements")
    found = _enforcements(stages)
    keyed = [entry for entry in found if entry.execution_id]
    assert len(keyed) == 3
    assert {stages.get(str(entry.execution_id)).run_key for entry in keyed} == {"e1", "e2"}
    (failed,) = [entry for entry in found if not entry.execution_id]
    assert "The run key '{{ trigger.episode }}' is empty for this event." in failed.failure_reason


def _enforcements(stages: Stages) -> list[Any]:
    with stages.platform.database.read() as tx:
        return events.find_enforcements(tx, rule_ref="t.keyed")[0]
