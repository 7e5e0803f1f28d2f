"""Concurrency, rates, retries and timeouts, as actions, rules and policies declare them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from st_ops.errors import InvalidInput
from st_ops.model.limits import Retry, parse_concurrency, parse_rate, parse_retry
from st_ops.model.status import Status
from st_ops.store import history, slots
from st_ops.store.executions import Move
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


def shell(name: str, cmd: str, extra: str = "") -> dict[str, str]:
    text = (
        f"name: {name}\nrunner_type: local-shell-cmd\n"
        f"parameters:\n  cmd:\n    default: {cmd!r}\n  host:\n    type: string\n    default: h\n{extra}"
    )
    return {f"actions/{name}.yaml": text}


def policy(kind: str, parameters: str, action: str = "t.a") -> dict[str, str]:
    text = f"name: p\nresource_ref: {action}\npolicy_type: {kind}\nparameters: {parameters}\n"
    return {"policies/p.yaml": text}


# The keys and what is wrong with them.


def test_rates_are_read_in_every_spelling() -> None:
    assert [parse_rate(text).seconds for text in ("1/s", "3/10s", "10/minute", "5/2h", "1/days")] == [
        1, 10, 60, 7200, 86400,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parse", "given", "message"),
    [
        (parse_rate, "often", "'often' is not a rate; expected N/period"),
        (parse_rate, "0/s", "is not a rate"),
        (parse_retry, {"count": 2, "backof": "x"}, "'retry' has no key 'backof'"),
        (parse_retry, {"delay": 1}, "'retry.count' is missing"),
        (parse_retry, {"count": 1, "delay": "soon"}, "'retry.delay' is 'soon'; expected a number"),
        (parse_retry, {"count": 1, "retry_on": ["never"]}, "'retry.retry_on' has 'never'"),
        (parse_concurrency, {"limit": 0}, "'concurrency.limit' is 0; expected a whole number from 1 up"),
        (parse_concurrency, {"on_limit": "wait"}, "'concurrency.on_limit' is 'wait'; expected one of queue"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_by_its_key(
    parse: Callable[[Any], object], given: Any, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(given)
    assert message in str(caught.value)


def test_a_pack_with_a_bad_limit_is_told_of_with_file_and_line(start: Start) -> None:
    stages = start(shell("a", "true", "retry:\n  count: 2\n  backoff: sometimes\n"))
    (problem,) = stages.problems
    assert (problem["line"], problem["key"]) == (11, "retry.backoff")
    assert problem["path"].endswith("actions/a.yaml")


def test_the_pause_doubles_up_to_its_cap_and_varies_by_the_jitter() -> None:
    retry = Retry(count=9, delay=2, exponential=True, max_delay=10, jitter=0.1)
    assert [retry.pause(tries, 0.5) for tries in range(4)] == [2, 4, 8, 10]
    assert (retry.pause(0, 0), retry.pause(0, 1)) == (1.8, 2.2)


# Concurrency.


def test_one_at_a_time_means_one_at_a_time(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    body = f"echo + >> {log}; sleep 0.02; echo - >> {log}"
    stages = start(shell("a", body, "concurrency:\n  limit: 1\n"))
    done = stages.ended(*(stages.ask("t.a") for _ in range(8)))
    assert {entry.status for entry in done} == {Status.SUCCEEDED}
    assert log.read_text().split() == ["+", "-"] * 8
    with stages.platform.database.read() as tx:
        assert slots.usage(tx) == {}


def test_a_key_template_limits_each_value_apart(start: Start) -> None:
    stages = start(shell("a", "sleep 30", "concurrency:\n  key: 'deploy {{ host }}'\n  limit: 1\n"))
    first, other = (stages.ask("t.a", parameters={"host": host}) for host in ("one", "two"))
    stages.reached(first, Status.RUNNING)
    stages.reached(other, Status.RUNNING)
    second = stages.ask("t.a", parameters={"host": "one"})
    assert second.status is Status.DELAYED
    assert "waits for a slot of 'deploy one' (limit 1)" in stages.get(second.id).reason
    stages.platform.orders.cancel(first.id, "ada")
    stages.reached(second, Status.RUNNING)
    assert stages.verbs(second) == ["requested", "requested", "running"]


def test_a_key_sees_a_parameter_that_was_not_given_by_its_default(start: Start) -> None:
    stages = start(shell("a", "sleep 30", "concurrency:\n  key: 'deploy {{ host }}'\n  limit: 1\n"))
    stages.reached(stages.ask("t.a"), Status.RUNNING)
    same = stages.ask("t.a", parameters={"host": "h"})
    assert "waits for a slot of 'deploy h'" in stages.get(same.id).reason


@pytest.mark.parametrize(
    ("on_limit", "status", "reason"),
    [
        ("skip", Status.CANCELED, "1 of 1 executions of 't.a' are unfinished"),
        ("fail", Status.FAILED, "1 of 1 executions of 't.a' are unfinished"),
    ],
)
def test_beyond_the_limit_it_is_skipped_or_fails_as_wished(
    start: Start, on_limit: str, status: Status, reason: str
) -> None:
    stages = start(shell("a", "sleep 30", f"concurrency:\n  on_limit: {on_limit}\n"))
    stages.ask("t.a")
    (second,) = stages.ended(stages.ask("t.a"))
    assert (second.status, second.reason) == (status, reason)


def test_a_newer_one_replaces_the_running_one_as_wished(start: Start) -> None:
    stages = start(shell("a", "sleep 30", "concurrency:\n  on_limit: cancel_running\n"))
    first = stages.ask("t.a")
    stages.reached(first, Status.RUNNING)
    second = stages.ask("t.a")
    stages.reached(second, Status.RUNNING)
    (gone,) = stages.ended(first)
    assert gone.status is Status.CANCELED


def test_stackstorms_concurrency_policy_delays_or_cancels(start: Start) -> None:
    stages = start(
        {**shell("a", "sleep 30"), **policy("action.concurrency", "{threshold: 2, action: cancel}")}
    )
    kept = [stages.ask("t.a") for _ in range(2)]
    (third,) = stages.ended(stages.ask("t.a"))
    assert third.status is Status.CANCELED
    for entry in kept:
        stages.reached(entry, Status.RUNNING)


def test_stackstorms_attribute_policy_counts_equal_values_only(start: Start) -> None:
    stages = start(
        {**shell("a", "sleep 30"), **policy("action.concurrency.attr", "{threshold: 1, attributes: [host]}")}
    )
    first, other, same = (stages.ask("t.a", parameters={"host": host}) for host in ("one", "two", "one"))
    stages.reached(first, Status.RUNNING)
    stages.reached(other, Status.RUNNING)
    assert stages.get(same.id).status is Status.DELAYED
    stages.platform.orders.cancel(same.id, "ada")
    assert stages.get(same.id).status is Status.CANCELED


def test_a_higher_priority_passes_those_that_wait(start: Start) -> None:
    stages = start(shell("a", "true", "concurrency:\n  limit: 1\n"), worker={"slots": 1})
    blocker = stages.ask("t.a", parameters={"cmd": "sleep 0.3"})
    low = stages.ask("t.a")
    high = stages.ask("t.a", priority=5)
    _, low, high = stages.ended(blocker, low, high)
    assert low.start_timestamp is not None
    assert high.start_timestamp is not None
    assert high.start_timestamp < low.start_timestamp


# Rates.


def test_a_rate_spreads_starts_and_says_why(start: Start) -> None:
    stages = start(shell("a", "true", "rate: 2/1s\n"))
    asked = [stages.ask("t.a") for _ in range(3)]
    assert [entry.status for entry in asked] == [Status.REQUESTED, Status.REQUESTED, Status.DELAYED]
    assert asked[2].reason == "rate limit"
    done = stages.ended(*asked)
    begun = sorted(entry.start_timestamp for entry in done if entry.start_timestamp is not None)
    assert (begun[2] - begun[0]).total_seconds() >= 0.95


@pytest.mark.parametrize("action", ["t.a", "t.w"])
def test_of_those_that_come_due_together_no_more_start_than_the_rate_allows(
    start: Start, action: str
) -> None:
    files = {
        **shell("a", "true", "rate: 1/1h\n" if action == "t.a" else ""),
        "actions/w.yaml": "name: w\nrunner_type: orquesta\nentry_point: workflows/w.yaml\nrate: 1/1h\n",
        "actions/workflows/w.yaml": "version: 1.0\ntasks:\n  one:\n    action: core.noop\n",
    }
    stages = start(files)
    asked = [stages.ask(action, delay=50) for _ in range(3)]
    eventually(lambda: all(stages.get(entry.id).reason == "rate limit" for entry in asked[1:]), 10)
    (done,) = stages.ended(asked[0])
    assert done.status is Status.SUCCEEDED
    waiting = [stages.get(entry.id) for entry in asked[1:]]
    assert [round((entry.ready_at - done.created_at).total_seconds() / 3600) for entry in waiting] == [1, 2]


def test_what_is_delayed_or_asked_for_again_by_its_key_uses_up_nothing(start: Start) -> None:
    stages = start(shell("a", "true", "rate: 2/1h\n"))
    stages.ask("t.a", delay=3_600_000)
    first = [stages.ask("t.a", run_key="k") for _ in range(5)]
    second, third = stages.ask("t.a"), stages.ask("t.a")
    assert {entry.status for entry in stages.ended(first[0], second)} == {Status.SUCCEEDED}
    assert stages.get(third.id).status is Status.DELAYED


# Retries.


def test_a_failed_run_is_tried_again_until_it_succeeds(start: Start, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    body = f"echo x >> {counter}; test $(wc -l < {counter}) -ge 3"
    stages = start(shell("a", body, "retry:\n  count: 5\n  delay: 0.05\n  backoff: exponential\n"))
    (done,) = stages.ended(stages.ask("t.a"))
    assert (done.status, done.retries, done.attempt) == (Status.SUCCEEDED, 2, 3)
    assert stages.verbs(done).count("delayed") == 2


def test_after_the_last_try_the_failure_stands(start: Start) -> None:
    files = {**shell("a", "exit 3"), **policy("action.retry", "{retry_on: failure, max_retry_count: 2}")}
    stages = start(files)
    (done,) = stages.ended(stages.ask("t.a"))
    assert (done.status, done.retries) == (Status.FAILED, 2)
    assert done.result["return_code"] == 3


def test_an_expression_decides_which_failures_are_tried_again(start: Start) -> None:
    when = 'retry:\n  count: 3\n  retry_on: "{{ result.return_code == 7 }}"\n'
    stages = start({**shell("a", "exit 7", when), **shell("b", "exit 8", when)})
    seven, eight = stages.ended(stages.ask("t.a"), stages.ask("t.b"))
    assert (seven.retries, eight.retries) == (3, 0)


def test_an_end_after_which_no_further_try_is_legal_stands(start: Start) -> None:
    question = "name: q\nrunner_type: inquirer\nretry:\n  count: 2\n"
    stages = start({"actions/q.yaml": question})
    asked = stages.reached(stages.ask("t.q"), Status.PENDING)
    stages.platform.lifecycle.move(
        [Move(execution_id=asked.id, status=Status.TIMEOUT, reason="nobody answered")]
    )
    assert stages.get(asked.id).status is Status.TIMEOUT


def test_a_retry_lets_others_have_its_slot_while_it_waits(start: Start) -> None:
    limited = "concurrency:\n  limit: 1\nretry:\n  count: 1\n  delay: 3600\n"
    stages = start(shell("a", "true", limited))
    failing = stages.ask("t.a", parameters={"cmd": "exit 1"})
    stages.reached(failing, Status.DELAYED)
    eventually(lambda: stages.get(failing.id).retries == 1)
    (done,) = stages.ended(stages.ask("t.a"))
    assert done.status is Status.SUCCEEDED


# Timeouts.


def test_the_requests_timeout_counts_before_the_policys_and_the_actions(start: Start) -> None:
    stages = start({**shell("a", "sleep 30"), **policy("action.timeout", "{seconds: 0.2}")})
    by_policy, by_request = stages.ended(stages.ask("t.a"), stages.ask("t.a", timeout=0.4))
    assert {by_policy.status, by_request.status} == {Status.TIMEOUT}
    assert by_policy.elapsed_seconds is not None
    assert by_request.elapsed_seconds is not None
    assert by_policy.elapsed_seconds < by_request.elapsed_seconds


def test_a_workflow_past_its_timeout_ends_so_and_takes_its_tasks_along(start: Start) -> None:
    workflow = "version: 1.0\ntasks:\n  wait:\n    action: t.a\n"
    files = {
        **shell("a", "sleep 30"),
        "actions/w.yaml": "name: w\nrunner_type: orquesta\nentry_point: workflows/w.yaml\n",
        "actions/workflows/w.yaml": workflow,
    }
    stages = start(files)
    (done,) = stages.ended(stages.ask("t.w", timeout=0.3))
    assert (done.status, done.reason) == (Status.TIMEOUT, "timeout of 0.3 s")
    with stages.platform.database.read() as tx:
        (child,) = history.children(tx, [done.id])
    assert child.status is Status.CANCELED
