"""Files that tasks leave are kept, and reach later tasks, people and programs."""

from __future__ import annotations

import json
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path

import boto3
import httpx
import pytest

from tests.flow.fixtures import MakePlatform
from tests.flow.platform import Platform
from tests.servers.moto import Moto

PACK = {
    "pack.yaml": "name: reports\ndescription: Tests.\nversion: 1.0.0\nauthor: tests\n",
    "actions/create.yaml": """\
        name: create
        runner_type: local-shell-cmd
        parameters:
          cmd:
            immutable: true
            default: >-
              mkdir "$ST_OPS_ARTIFACTS/by_day" &&
              printf "a,b\\n1,2\\n" > "$ST_OPS_ARTIFACTS/by_day/report 1.csv"
    """,
    "actions/enrich.py": """\
        import csv
        from st_ops.sdk import Context, action

        @action
        def enrich(ctx: Context) -> int:
            source = ctx.artifacts.fetch("by_day/report 1.csv", task="create")
            rows = list(csv.reader(source.open()))
            (ctx.artifacts.folder / "rows.txt").write_text(str(len(rows)))
            return len(rows)
    """,
    "actions/old_style.yaml": "name: old_style\nrunner_type: python-script\nentry_point: old_style.py\n",
    "actions/old_style.py": """\
        import os
        from st2common.runners.base_action import Action

        class OldStyle(Action):
            def run(self):
                path = self.action_service.artifacts.fetch("rows.txt", task="enrich")
                with open(os.path.join(os.environ["ST_OPS_ARTIFACTS"], "again.txt"), "w") as file:
                    file.write(open(path).read())
                return str(path)
    """,
    "actions/publish.yaml": """\
        name: publish
        runner_type: local-shell-cmd
        parameters:
          cmd:
            immutable: true
            default: >-
              st-ops artifact get --task create "by_day/report 1.csv" -o copy.csv &&
              st-ops artifact get --task old_style -o got &&
              cat copy.csv got/again.txt && st-ops artifact list
    """,
    "actions/report.yaml": "name: report\nrunner_type: orquesta\nentry_point: workflows/report.yaml\n",
    "actions/workflows/report.yaml": """\
        version: 1.0
        tasks:
          create: {action: reports.create, next: [{when: "<% succeeded() %>", do: enrich}]}
          enrich: {action: reports.enrich, next: [{when: "<% succeeded() %>", do: old_style}]}
          old_style: {action: reports.old_style, next: [{when: "<% succeeded() %>", do: publish}]}
          publish: {action: reports.publish}
    """,
}  # fmt: skip


def pack_in(folder: Path, files: Mapping[str, str] = PACK) -> Path:
    for name, text in files.items():
        path = folder / "reports" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


def names(platform: Platform, execution: str, **query: str) -> list[str]:
    return [one["name"] for one in platform.get(f"/executions/{execution}/artifacts", **query)]


def ran_workflow(platform: Platform) -> str:
    workflow = platform.run("reports.report")
    ended = platform.await_status(workflow, deadline=60)
    assert ended["status"] == "succeeded", platform.children(workflow)
    return workflow


def assert_handed_over(platform: Platform, workflow: str) -> None:
    create, enrich, _, publish = platform.children(workflow)
    assert enrich["result"]["result"] == 2
    assert publish["result"]["stdout"] == "a,b\n1,2\n2It has left no artifacts."
    assert names(platform, create["id"]) == ["by_day/report 1.csv"]
    assert names(platform, workflow, task="enrich") == ["rows.txt"]
    assert names(platform, publish["id"], task="old_style") == ["again.txt"]
    answer = platform.http.get(f"/executions/{workflow}/artifacts/by_day/report%201.csv?task=create")
    assert answer.text == "a,b\n1,2\n"
    # The copies that were fetched are not artifacts again, and nothing is left behind on the worker.
    assert names(platform, publish["id"]) == []
    platform.eventually(
        lambda: {path.name for path in (platform.home / "runs").rglob("*") if path.is_file()} == {"owner"},
        10, "the files of the runs to be gone",
    )  # fmt: skip


def test_the_tasks_of_a_workflow_hand_files_to_each_other(
    make_platform: MakePlatform, tmp_path: Path
) -> None:
    platform = make_platform(packs=[pack_in(tmp_path / "packs")])
    platform.start()
    workflow = ran_workflow(platform)
    assert_handed_over(platform, workflow)
    assert_told_by_the_command_line(platform, workflow, tmp_path)
    assert_served_in_parts(platform, workflow)


def assert_told_by_the_command_line(platform: Platform, workflow: str, tmp_path: Path) -> None:
    def cli(*words: str) -> str:
        done = subprocess.run(
            [str(platform.home / "bin" / "st-ops"), "artifact", *words, "--home", str(platform.home)],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    listed = json.loads(cli("list", workflow, "--task", "create", "-o", "json"))
    assert [(one["name"], one["size"]) for one in listed] == [("by_day/report 1.csv", 8)]
    cli("get", listed[0]["execution_id"], "by_day/report 1.csv", "-o", str(tmp_path / "mine.csv"))
    assert (tmp_path / "mine.csv").read_text() == "a,b\n1,2\n"
    assert cli("get", listed[0]["execution_id"], "by_day/report 1.csv", "-o", "-") == "a,b\n1,2\n"
    cli("get", listed[0]["execution_id"], "-o", str(tmp_path / "all"))
    assert (tmp_path / "all" / "by_day" / "report 1.csv").read_text() == "a,b\n1,2\n"


def assert_served_in_parts(platform: Platform, workflow: str) -> None:
    def ask(part: str) -> httpx.Response:
        path = f"/executions/{workflow}/artifacts/by_day/report%201.csv"
        return platform.http.get(path, params={"task": "create"}, headers={"Range": part})

    for part, text, said in (
        ("bytes=2-4", "b\n1", "bytes 2-4/8"), ("bytes=6-", "2\n", "bytes 6-7/8"), ("bytes=-3", ",2\n", "bytes 5-7/8"),
    ):  # fmt: skip
        answer = ask(part)
        assert (answer.status_code, answer.text, answer.headers["Content-Range"]) == (206, text, said)
    assert ask("bytes=8-").status_code == 416
    whole = ask("lines=1-2")
    assert (whole.status_code, whole.headers["Content-Length"]) == (200, "8")
    assert whole.headers["Content-Disposition"] == (
        "attachment; filename=\"report 1.csv\"; filename*=UTF-8''report%201.csv"
    )


def test_files_are_kept_however_the_run_ends_and_what_is_not_is_told(
    make_platform: MakePlatform, tmp_path: Path
) -> None:
    platform = make_platform(settings={"artifacts": {"file_bytes": 10}})
    platform.start()
    cmd = 'echo kept > "$ST_OPS_ARTIFACTS/small"; echo far too large > "$ST_OPS_ARTIFACTS/large"; '
    failed = platform.await_status(platform.run("core.local", cmd=cmd + "exit 3"))
    canceled = platform.run("core.local", cmd=cmd + "echo ready; sleep 60")
    platform.eventually(
        lambda: "ready" in platform.http.get(f"/executions/{canceled}/output").text, 20, "the action to run"
    )
    platform.http.delete(f"/executions/{canceled}")
    ended = platform.await_status(canceled)
    assert (failed["status"], ended["status"]) == ("failed", "canceled")
    for entry in (failed, ended):
        assert names(platform, entry["id"]) == ["small"]
        note = (
            "The artifact 'large' was not kept: "
            "its 14 bytes are more than setting 'artifacts.file_bytes' (10) allows."
        )
        assert note in entry["reason"]
        assert f"[{note}]" in platform.http.get(f"/executions/{entry['id']}/output").text
    answer = platform.http.get(f"/executions/{failed['id']}/artifacts/large")
    assert answer.status_code == 404
    assert answer.json()["faultstring"] == (
        f"There is no artifact 'large'. Execution {failed['id']} has left: small."
    )


@pytest.mark.slow
def test_tasks_on_several_hosts_hand_files_over_through_s3(
    make_platform: MakePlatform, tmp_path: Path, moto: Moto, postgres_url: str, redis_url: str
) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=moto.url,
        region_name=moto.region,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_bucket(Bucket="kept", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    platform = make_platform(
        packs=[pack_in(tmp_path / "packs")],
        nodes=("api", "workflows", "runner-1", "runner-2"),
        settings={
            "store": {"url": postgres_url},
            "bus": {"url": redis_url, "sweep_seconds": 0.5},
            "artifacts": {"url": "s3://kept/here", "endpoint_url": moto.url, "region": moto.region},
        },
    )
    platform.start(more=moto.environment)
    workflow = ran_workflow(platform)
    assert_handed_over(platform, workflow)
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket="kept")["Contents"]]
    assert len(keys) == 3
    assert all(key.startswith("here/") for key in keys)
    client.close()
