"""What a process counts of the work it does, and that a process without an API shows it as well."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from st_ops.errors import UserError
from st_ops.executions.lifecycle import Bells
from st_ops.metrics import Metrics
from st_ops.metrics_server import MetricsServer
from st_ops.model.events import NewEvent
from st_ops.model.status import Status
from st_ops.settings import MetricsSettings
from st_ops.store.database import Database
from st_ops.store.executions import Move
from tests.servers.process import free_port
from tests.unit.executions.platform import Stages
from tests.waiting import eventually

_FILES = {
    "triggers/thing.yaml": "name: thing\n",
    "rules/go.yaml": "name: go\nenabled: true\ntrigger: {type: t.thing}\n"
    "criteria: {trigger.go: {type: equals, pattern: true}}\naction: {ref: t.flow}\n",
    "actions/flow.yaml": "name: flow\nrunner_type: orquesta\nentry_point: workflows/flow.yaml\n",
    "actions/workflows/flow.yaml": "version: 1.0\ntasks:\n  one:\n    action: core.noop\n    next:\n      - do: two\n"
    '  two:\n    action: core.local cmd="exit 3"\n',
    "actions/far.yaml": "name: far\nrunner_type: noop\nqueue: dmz\nneeds: [region=tokyo]\n",
}


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def stages(tmp_path: Path, port: int) -> Iterator[Stages]:
    opened = Stages(tmp_path, _FILES, metrics={"port": port})
    yield opened
    opened.close()


def _asked(port: int) -> dict[str, float]:
    """Sample → value, as Prometheus would read it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_a_process_without_an_api_shows_what_it_counted_and_what_waits(stages: Stages, port: int) -> None:
    for go in (True, False):
        event = NewEvent(trigger="t.thing", payload={"go": go}, source=f"execution {go}", delivery=f"{go}")
        stages.platform.intake.accept(event).result(10)
    again = NewEvent(trigger="t.thing", payload={"go": True}, source="sensor t.Watch", delivery="True")
    stages.platform.intake.accept(again).result(10)
    stages.ask("t.far")
    ended = "st_ops_executions_finished_total{action=t.flow,status=failed}"
    eventually(lambda: _asked(port).get(ended) == 1, 20, "the end of the workflow to be counted")
    told = _asked(port)
    expected = {
        "st_ops_events_accepted_total{source=execution}": 2,
        "st_ops_events_duplicate_total{source=sensor t.Watch}": 1,
        "st_ops_events_processed_total{status=processed}": 2,
        "st_ops_event_match_seconds_count": 2,
        "st_ops_rules_matched_total{rule=t.go,status=succeeded}": 1,
        "st_ops_workflow_tasks_requested_total{workflow=t.flow}": 2,
        "st_ops_workflow_tasks_finished_total{status=succeeded}": 1,
        "st_ops_workflow_tasks_finished_total{status=failed}": 1,
        "st_ops_executions_started_total{action=core.local}": 1,
        "st_ops_executions_finished_total{action=core.local,status=failed}": 1,
        "st_ops_execution_run_seconds_count{action=core.local}": 1,
        "st_ops_execution_wait_seconds_count{action=core.noop}": 1,
        "st_ops_queue_depth{queue=dmz}": 1,
        "st_ops_queue_without_worker{needs=region=tokyo,queue=dmz}": 1,
        "st_ops_workers{kind=runner}": 1,
        "st_ops_store_up": 1,
    }
    assert {name: told.get(name) for name in expected} == expected
    assert told["st_ops_queue_age_seconds{queue=dmz}"] >= 0


def test_what_is_rolled_back_is_not_counted(stages: Stages, port: int) -> None:
    entry = stages.ask("t.far")
    with stages.platform.database.write() as tx:
        stages.platform.lifecycle.move_in(tx, [Move(execution_id=entry.id, status=Status.CANCELED)], Bells())
        tx.rollback()
    assert not [name for name in _asked(port) if "finished_total{action=t.far" in name]


def test_an_address_that_is_taken_is_told_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = MetricsSettings(port=taken.getsockname()[1])
        server = MetricsServer(Metrics(), Database(f"sqlite:///{tmp_path / 's.db'}"), settings)
        with pytest.raises(UserError, match="Name another with --metrics-port"):
            server.open()
        server.close()


def test_the_store_being_away_is_a_figure_too(tmp_path: Path) -> None:
    settings = MetricsSettings(port=free_port())
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = Database(f"postgresql://user@127.0.0.1:{nobody.getsockname()[1]}/nothing")
        server = MetricsServer(Metrics(), away, settings)
        server.open()
        assert _asked(settings.port)["st_ops_store_up"] == 0
        server.close()
        server.close()
