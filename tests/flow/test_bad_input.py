"""Every row of DESIGN 8: what goes wrong, and the sentence that the user gets.

The store or the bus being away is in tests/faults/test_outages.py.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.work import alive
from tests.flow.platform import Platform
from tests.servers.process import Yard, clean_environment
from tests.waiting import eventually

PACKS = Path(__file__).parent / "packs"
FAULTS = Path(__file__).parents[1] / "faults" / "packs"
_ST_OPS = "import sys; from st_ops.cli.main import main; sys.exit(main())"

#: Bytes of output that are kept of one execution here.
_OUTPUT_BYTES = 100_000


@pytest.fixture(scope="module")
def platform(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One platform for all: none of what follows may disturb it."""
    platform = Platform(
        yard.guard,
        tmp_path_factory.mktemp("bad-input") / "home",
        packs=[PACKS, FAULTS],
        settings={"worker": {"output_bytes": _OUTPUT_BYTES, "grace_seconds": 1.0}},
    )
    platform.start()
    yield platform
    platform.close()


def st_ops(*arguments: str, platform: Platform | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    environment = clean_environment(Path.cwd())
    if platform is not None:
        environment |= {"ST_OPS_URL": platform.url, "ST_OPS_TOKEN": platform.http.headers["X-Auth-Token"]}
    return subprocess.run(
        [sys.executable, "-c", _ST_OPS, *arguments], env={**environment, "COLUMNS": "300"},
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


# Metadata


def test_pack_check_names_file_line_and_what_was_expected_and_exits_1() -> None:
    done = st_ops("pack", "check", str(PACKS / "half_good"))
    assert done.returncode == 1
    said = " ".join((done.stdout + done.stderr).split())
    for sentence in (
        "half_good/actions/no_yaml.yaml:4: error: This is not YAML: found unexpected end of stream.",
        "unknown_key.yaml:4: error: paramters: An action has no key 'paramters'. Did you mean 'parameters'?",
        "half_good/rules/wrong_type.yaml:2: error: enabled: 'enabled' must be a boolean, not a string ('perhaps').",
    ):
        assert sentence in said
    assert st_ops("pack", "check", str(PACKS / "mishaps")).returncode == 0


def test_the_good_parts_of_a_bad_pack_work_and_its_problems_are_shown(platform: Platform) -> None:
    assert platform.await_status(platform.run("half_good.good"))["result"]["stdout"].strip() == "good"
    problems = {Path(one["path"]).name: one for one in platform.get("/packs/half_good")["problems"]}
    assert sorted(problems) == ["no_yaml.yaml", "unknown_key.yaml", "wrong_type.yaml"]
    assert (problems["wrong_type.yaml"]["line"], problems["wrong_type.yaml"]["key"]) == (2, "enabled")
    assert problems["wrong_type.yaml"]["message"] == "'enabled' must be a boolean, not a string ('perhaps')."
    refused = st_ops("run", "half_good.unknown_key", platform=platform)
    assert refused.returncode == 1
    assert "There is no action 'half_good.unknown_key'." in refused.stderr


# Payloads

_EVENT = {"trigger": "faults.happened", "payload": {"file": "/dev/null", "name": 17}}


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        pytest.param(
            "/webhooks/st2", json.dumps(_EVENT), 400,
            "The payload for trigger 'faults.happened' is not valid: name: 17 is not of type 'string'",
            id="breaks-its-schema",
        ),
        pytest.param("/webhooks/st2", "{", 400, "The body is not valid JSON: ", id="no-json"),
        pytest.param("/webhooks/alertmanager", '{"alerts": 1}', 400, "'alerts' must be an array", id="wrong-form"),
        pytest.param(
            "/webhooks/st2", '{"payload": "' + "x" * 1_100_000 + '"}', 413,
            "The body has 1100015 bytes or more; at most 1048576 are taken (setting intake.max_body_bytes).",
            id="too-large",
        ),
        pytest.param(
            "/webhooks/nobody", "{}", 404,
            "There is no webhook 'nobody'. A rule with the trigger core.st2.webhook makes one.", id="unknown",
        ),
    ],
)  # fmt: skip
def test_a_body_that_cannot_become_an_event_is_refused_with_a_sentence_counted_and_kept(
    platform: Platform, path: str, body: str, status: int, sentence: str
) -> None:
    before = rejected_count(platform)
    answer = platform.http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert sentence in answer.json()["faultstring"]
    kept = platform.get("/rejectedevents", limit=1)[0]
    assert (kept["source"], kept["status_code"]) == (path.strip("/").replace("webhooks/", "webhook "), status)
    assert kept["reason"] == answer.json()["faultstring"]
    assert len(kept["body"]) <= 4_096
    assert body.startswith(kept["body"][:100])
    assert rejected_count(platform) == before + 1


def test_a_wrong_token_is_refused_with_a_sentence_and_counted(platform: Platform) -> None:
    before = rejected_count(platform)
    answer = platform.http.post("/webhooks/st2", json=_EVENT, headers={"X-Auth-Token": "wrong"})
    assert answer.status_code == 401
    assert "token" in answer.json()["faultstring"]
    assert "wrong" not in answer.json()["faultstring"]
    assert rejected_count(platform) == before + 1


def rejected_count(platform: Platform) -> float:
    """How many events were refused so far, as the figures say."""
    lines = platform.http.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("st_ops_events_rejected_total"))


# Parameters of actions


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({}, "count"),
        ({"count": "many"}, "Parameter 'count': the value, 'many', cannot be taken as integer."),
        ({"count": 0}, "Parameter 'count' is not as its schema wants it: 0 is less than the minimum of 1."),
        ({"count": 1, "cuont": 2}, "cuont"),
    ],
)
def test_wrong_parameters_are_named_and_nothing_is_executed(
    platform: Platform, parameters: dict[str, Any], sentence: str
) -> None:
    before = len(platform.get("/executions", action="mishaps.crash"))
    answer = platform.http.post("/executions", json={"action": "mishaps.crash", "parameters": parameters})
    assert answer.status_code == 400
    assert sentence in answer.json()["faultstring"]
    given = [f"{key}={value}" for key, value in parameters.items()]
    typed = st_ops("run", "mishaps.crash", *given, platform=platform)
    assert typed.returncode != 0
    assert next(iter(set(parameters) - {"count"}), "count") in typed.stderr
    assert "Traceback" not in typed.stderr
    assert len(platform.get("/executions", action="mishaps.crash")) == before


# Rules


@pytest.mark.parametrize(
    ("name", "criteria", "command", "sentence"),
    [
        (
            "bad_template", {}, "echo {{ trigger.body.missing.deeper }}",
            "A parameter of action 'core.local' could not be rendered",
        ),
        ("bad_type", {"trigger.body.level": {"type": "timediff_lt", "pattern": 5}}, "echo", "trigger.body.level"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_evaluated_does_not_fire_and_says_why(
    platform: Platform, name: str, criteria: dict[str, Any], command: str, sentence: str
) -> None:
    platform.post("/rules", {
        "name": name, "pack": "default", "enabled": True, "criteria": criteria,
        "trigger": {"type": "core.st2.webhook", "parameters": {"url": name}},
        "action": {"ref": "core.local", "parameters": {"cmd": command}},
    })  # fmt: skip
    event = platform.post(f"/webhooks/{name}", {"level": "high"})["id"]
    enforcement = platform.eventually(
        lambda: platform.get("/ruleenforcements", trigger_instance=event), 10, "the rule to be tried"
    )
    assert len(enforcement) == 1
    assert enforcement[0]["status"] == "failed"
    assert sentence in enforcement[0]["failure_reason"]
    assert not enforcement[0].get("execution_id")
    assert platform.get("/executions", trigger_instance=event) == []
    assert platform.get(f"/triggerinstances/{event}")["status"] == "processing_failed"
    assert sentence in platform.audit(verb="match_failed", trace_id=event)[0]["reason"]


# Actions


def test_an_action_that_crashes_fails_with_its_traceback(platform: Platform) -> None:
    ended = platform.await_status(platform.run("mishaps.crash", count=3))
    assert ended["status"] == "failed"
    said = json.dumps(ended["result"])
    assert "ZeroDivisionError: integer division or modulo by zero" in said
    assert "crash.py" in said
    shown = st_ops("run", "mishaps.crash", "count=3", platform=platform)
    assert shown.returncode == 1
    assert "ZeroDivisionError" in shown.stdout + shown.stderr


def test_the_output_of_an_action_is_capped_with_a_note(platform: Platform) -> None:
    execution = platform.run("mishaps.megabytes")
    ended = platform.await_status(execution)
    assert ended["status"] == "succeeded"
    assert len(ended["result"]["stdout"]) <= _OUTPUT_BYTES + 200
    text = platform.http.get(f"/executions/{execution}/output").text
    assert len(text) <= 2 * _OUTPUT_BYTES
    assert text.endswith("[output beyond 100000 bytes was dropped; setting worker.output_bytes]\n")
    assert ended["result"]["stdout"].endswith("[st_ops: output beyond 100000 bytes was dropped]")


def test_an_action_that_hangs_times_out_and_is_killed(platform: Platform) -> None:
    ended = platform.await_status(platform.run("mishaps.hang"))
    assert ended["status"] == "timeout"
    assert "1 s" in json.dumps(ended["result"])
    assert not running("sleep", "600")


def test_what_an_action_leaves_running_is_killed(platform: Platform) -> None:
    ended = platform.await_status(platform.run("mishaps.fork"))
    assert ended["status"] == "succeeded"
    pids = [int(pid) for pid in ended["result"]["stdout"].split()]
    assert len(pids) == 2
    eventually(lambda: not any(alive(pid) for pid in pids), 5, "its processes to be gone")


def test_a_result_that_is_not_json_becomes_text_as_in_stackstorm(platform: Platform) -> None:
    ended = platform.await_status(platform.run("mishaps.no_json"))
    assert (ended["status"], ended["result"]["result"]) == ("succeeded", "{'value': (3+4j)}")


def running(*command: str) -> bool:
    """Whether a process with exactly this command line runs."""
    wanted = "\0".join([*command, ""]).encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            found.append((folder / "cmdline").read_bytes())
    return wanted in found


# No platform


def test_without_a_platform_the_command_line_says_where_it_looked(tmp_path: Path) -> None:
    done = st_ops("execution", "list", "--home", str(tmp_path))
    assert done.returncode == 3
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr
