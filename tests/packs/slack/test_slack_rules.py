from __future__ import annotations

import pytest

from tests.packs.rule_asking import matches, shipped_rule


def ended(status: str, action: str = "linux.cp") -> dict[str, str]:
    return {"execution_id": "65a", "status": status, "action_ref": action, "action_name": action}


@pytest.mark.parametrize("name", ["on_execution_failed", "on_execution_finished"])
def test_nobody_is_told_anything_unless_the_rule_is_switched_on(name: str):
    assert not matches(shipped_rule("slack", name), ended("failed"))


@pytest.mark.parametrize("status", ["failed", "timeout", "abandoned"])
def test_an_execution_that_did_not_succeed_is_told(status: str):
    assert matches(shipped_rule("slack", "on_execution_failed", enabled=True), ended(status))


@pytest.mark.parametrize("status", ["succeeded", "canceled"])
def test_what_did_not_fail_is_not_told_as_failed(status: str):
    assert not matches(shipped_rule("slack", "on_execution_failed", enabled=True), ended(status))
    assert matches(shipped_rule("slack", "on_execution_finished", enabled=True), ended(status))


@pytest.mark.parametrize("name", ["on_execution_failed", "on_execution_finished"])
def test_posting_a_message_never_leads_to_another_message(name: str):
    rule = shipped_rule("slack", name, enabled=True)

    assert not matches(rule, ended("failed", "slack.post_message"))
