"""Live updates: server-sent events of what happens, and the output of one execution while it runs."""

from __future__ import annotations

import json
import queue
import threading
from typing import Any

import httpx
import pytest

from st_ops.model.bells import Bell, Topic
from st_ops.model.executions import OutputLine
from st_ops.model.status import Status
from st_ops.store import outputs
from st_ops.store.executions import Move
from tests.unit.api.api_stage import ApiStage


class Watcher:
    """Reads server-sent events in a thread of its own."""

    def __init__(self, client: httpx.Client, path: str) -> None:
        self.events: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.connected = threading.Event()
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(client, path), daemon=True)
        self._thread.start()
        assert self.connected.wait(10)

    def _run(self, client: httpx.Client, path: str) -> None:
        with client.stream("GET", path, timeout=20) as answer:
            name = ""
            for line in answer.iter_lines():
                self.connected.set()
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    self.events.put((name, json.loads(line[6:])))
        self.ended.set()

    def next(self) -> tuple[str, Any]:
        return self.events.get(timeout=10)


def _requested(stage: ApiStage, action: str = "core.noop") -> str:
    return stage.user.post("/v1/executions", json={"action": action}).json()["id"]


def _print(stage: ApiStage, identifier: str, seq: int, data: str) -> None:
    with stage.database.write() as tx:
        outputs.append(tx, [OutputLine(execution_id=identifier, seq=seq, data=data)])
    stage.bus.publish(Bell(topic=Topic.EXECUTION_OUTPUT, ids=[identifier]))


@pytest.fixture
def watcher(stage: ApiStage) -> Watcher:
    return Watcher(stage.user, "/v1/stream?end_event=st2.execution__update&events=st2.execution*")


def test_the_stream_tells_of_executions_and_their_output(stage: ApiStage, watcher: Watcher):
    identifier = _requested(stage)
    name, data = watcher.next()
    assert name == "st2.execution__create"
    assert (data["id"], data["status"], data["action"]["ref"]) == (identifier, "requested", "core.noop")
    _print(stage, identifier, 1, "hello\n")
    name, data = watcher.next()
    assert name == "st2.execution.output__create"
    assert (data["execution_id"], data["data"], data["action_ref"]) == (identifier, "hello\n", "core.noop")
    stage.lifecycle.move([Move(execution_id=identifier, status=Status.RUNNING)])
    name, data = watcher.next()
    assert name == "st2.execution__update"
    assert data["status"] == "running"
    assert watcher.ended.wait(10), "it ends after the event it was told to end with"


def test_the_stream_is_narrowed_to_one_execution(stage: ApiStage):
    first = _requested(stage)
    watcher = Watcher(
        stage.user,
        f"/stream?execution_ids={first}&events=st2.execution__update&end_event=st2.execution__update",
    )
    second = _requested(stage)
    stage.finish(second, None)
    stage.finish(first, None)
    name, data = watcher.next()
    assert (name, data["id"]) == ("st2.execution__update", first)


def test_the_output_is_followed_until_the_execution_ends(stage: ApiStage):
    identifier = _requested(stage)
    _print(stage, identifier, 1, "before\n")
    watcher = Watcher(stage.user, f"/v1/executions/{identifier}/output?follow=true")
    assert watcher.next()[1]["data"] == "before\n"
    _print(stage, identifier, 2, "after\n")
    name, data = watcher.next()
    assert (name, data["data"]) == ("st2.execution.output__create", "after\n")
    stage.finish(identifier, None)
    assert watcher.next() == ("EOF", {})
    assert watcher.ended.wait(10)


def test_the_figures_count_what_this_process_ended(stage: ApiStage):
    stage.finish(_requested(stage, "core.noop"), None)
    told = stage.user.get("/metrics").text
    assert 'st_ops_executions_finished_total{action="core.noop",status="succeeded"}' in told
    assert 'st_ops_execution_run_seconds_count{action="core.noop"}' in told
