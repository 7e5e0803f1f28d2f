"""A person at the command line, on a running platform: an event comes in, a workflow runs, and all of it is seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.flow.fixtures import MakePlatform
from tests.flow.platform import Platform

_FILES: Mapping[str, str] = {
    "pack.yaml": "name: line\ndescription: Two steps.\nversion: 1.0.0\nauthor: tests\n",
    "rules/on_hook.yaml": """\
        name: on_hook
        enabled: true
        trigger: {type: core.st2.webhook, parameters: {url: line}}
        criteria: {trigger.body.level: {type: equals, pattern: high}}
        action: {ref: line.greet, parameters: {who: "{{ trigger.body.who }}"}}
    """,
    "actions/greet.yaml": """\
        name: greet
        runner_type: orquesta
        entry_point: workflows/greet.yaml
        parameters:
          who: {type: string, required: true}
          pause: {type: number, default: 0}
    """,
    "actions/workflows/greet.yaml": """\
        version: 1.0
        input: [who, pause]
        tasks:
          prepare:
            action: core.local cmd="sleep <% ctx(pause) %>; echo ready"
            next:
              - when: <% succeeded() %>
                do: greet
          greet:
            action: core.local cmd="echo hello <% ctx(who) %>"
            next:
              - when: <% succeeded() %>
                publish: said=<% result().stdout %>
        output:
          - said: <% ctx(said) %>
    """,
}


@pytest.fixture
def platform(make_platform: MakePlatform, tmp_path: Path) -> Platform:
    """A platform with a pack of two steps."""
    for name, text in _FILES.items():
        path = tmp_path / "packs" / "line" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    platform = make_platform(packs=[tmp_path / "packs"])
    platform.start()
    return platform


def _st_ops(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-c",
        "from st_ops.cli.main import main; main()",
        *arguments,
        "--home",
        str(platform.home),
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ST_OPS_")}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**environment, "COLUMNS": "160"},
    )


def test_an_event_is_followed_from_the_webhook_to_the_audit(platform: Platform):
    event = platform.post("/webhooks/line", {"level": "high", "who": "Ada"})["id"]
    found = platform.eventually(
        lambda: platform.get("/executions", trigger_instance=event, parent="null"),
        20,
        "the rule to start the workflow",
    )
    identifier = found[0]["id"]

    tailed = _st_ops(platform, "execution", "tail", identifier)
    assert tailed.returncode == 0, tailed.stderr
    lines = tailed.stdout.splitlines()
    assert "✓ prepare" in tailed.stdout
    assert lines[-1].startswith("✓ line.greet  succeeded")
    assert '{"said": "hello Ada"}' in lines[-1]

    shown = _st_ops(platform, "execution", "get", identifier).stdout
    assert "line.on_hook" in shown
    assert "said: hello Ada" in shown
    assert shown.index("✓ prepare") < shown.index("✓ greet")

    audit = json.loads(_st_ops(platform, "audit", "list", "--execution", identifier, "-o", "json").stdout)
    told = [(entry["verb"], entry["kind"]) for entry in audit]
    assert told[0] == ("accepted", "trigger_instance")
    assert told[-1] == ("succeeded", "execution")
    assert "line.on_hook" in _st_ops(platform, "trigger-instance", "get", event).stdout


def test_a_rule_is_explained_against_an_event_that_did_not_match(platform: Platform):
    event = platform.post("/webhooks/line", {"level": "low", "who": "Ada"})["id"]
    said = _st_ops(platform, "rule", "test", "line.on_hook", event)
    assert said.returncode == 1
    assert "does not match" in said.stdout
    assert "trigger.body.level" in said.stdout
    assert "low" in said.stdout


def test_a_workflow_is_run_live_and_canceled(platform: Platform):
    done = _st_ops(platform, "run", "line.greet", "who=Bob", "--tail")
    assert done.returncode == 0, done.stderr
    assert '{"said": "hello Bob"}' in done.stdout
    started = _st_ops(platform, "run", "line.greet", "who=Bob", "pause=600", "--async")
    identifier = started.stdout.strip()
    platform.eventually(
        lambda: any(
            child["status"] == "running" for child in platform.get(f"/executions/{identifier}/children")
        ),
        20,
        "the first task to run",
    )
    assert _st_ops(platform, "execution", "cancel", identifier).returncode == 0
    waited = _st_ops(platform, "execution", "wait", identifier, "--for", "20s")
    assert waited.returncode == 1
    assert "canceled" in waited.stdout
