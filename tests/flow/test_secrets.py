"""Secrets stay secret through a whole run (guarantee 10): a parameter, a pack's config and a stored value."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from tests.flow.fixtures import MakePlatform
from tests.flow.platform import Platform

PACKS = Path(__file__).parent / "packs"

SECRETS = {
    "parameter": "par4meter-c0rrect-horse",
    "config": "c0nfig-battery-staple",
    "stored": "st0red-tr0ub4dor",
}


def test_no_secret_is_found_in_store_logs_answers_or_process_arguments(
    make_platform: MakePlatform, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    platform = make_platform(
        packs=[PACKS], configs={"vault": {"api_key": SECRETS["config"]}}, settings={"logs": {"level": "debug"}}
    )  # fmt: skip
    platform.start()
    platform.http.put("/keys/door", json={"value": SECRETS["stored"], "secret": True}).raise_for_status()
    parameters = {"password": SECRETS["parameter"], "until": str(gate)}
    workflow = platform.post("/executions", {"action": "vault.relay", "parameters": parameters})["id"]
    first = platform.eventually(lambda: platform.children(workflow), 20, "the first task")[0]["id"]
    platform.eventually(
        lambda: "password ******** key ********" in output(platform, first), 20, "its output, masked"
    )
    assert_nowhere({"process arguments": arguments()})
    gate.touch()
    ended = platform.await_status(workflow)
    assert ended["status"] == "failed"

    children = platform.children(workflow)
    assert [child["status"] for child in children] == ["succeeded", "failed"]
    assert children[0]["result"]["result"] == {
        "password": "********", "keys": ["********"], "********": "as a name",
    }  # fmt: skip
    answers = {"workflow": json.dumps(ended), "children": json.dumps(children)}
    answers |= {f"output of {child['id']}": output(platform, child["id"]) for child in children}
    answers |= {
        path: json.dumps(platform.get(path)) for path in ("/executions", "/audit", "/keys", "/packs/vault")
    }
    assert_nowhere(answers)
    platform.stop()
    kept = {"configs", "secret.keys", "admin.token"}
    files = [path for path in platform.home.rglob("*") if path.is_file()]
    assert_nowhere({
        str(path): path.read_bytes().decode("utf-8", "replace")
        for path in files if not kept & set(path.relative_to(platform.home).parts)
    })  # fmt: skip


def output(platform: Platform, execution: str) -> str:
    """All that an execution printed."""
    return platform.http.get(f"/executions/{execution}/output").text


def arguments() -> str:
    """The command lines of all processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            found.append((folder / "cmdline").read_bytes().decode("utf-8", "replace"))
    return "\n".join(found)


def assert_nowhere(places: Mapping[str, str]) -> None:
    """None of the secrets is in any of the texts."""
    leaks = [
        (place, name) for place, text in places.items() for name, secret in SECRETS.items() if secret in text
    ]
    assert leaks == []
