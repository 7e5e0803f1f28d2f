"""Figures for Prometheus that the store holds, read when asked: the same from every process, so one need be asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from st_ops.errors import Unavailable
from st_ops.model.identity import now
from st_ops.model.status import Status
from st_ops.model.waiting import Waiting, without_worker
from st_ops.store import events, history, sensors, workers
from st_ops.store.database import Database

#: A sensor whose container has been silent for so long is not counted.
_SILENT = timedelta(seconds=60)

_UNFINISHED = [status.value for status in Status if not status.terminal]


class StoredFigures(Collector):
    """What waits, what runs, who works."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead of time: registering must not read the store."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Figures of this moment; ``st_ops_store_up`` alone is 0 when the store is away."""
        up = GaugeMetricFamily("st_ops_store_up", "1 when the store answers.")
        try:
            found = list(self._figures())
        except Unavailable:
            up.add_metric((), 0)
            yield up
            return
        up.add_metric((), 1)
        yield up
        yield from found

    def _figures(self) -> Iterator[Metric]:
        with self._database.read() as tx:
            statuses = history.count_by_status(tx, _UNFINISHED)
            waiting, living = history.waiting(tx), workers.find(tx)
            pending, rejected = events.count_pending(tx), events.count_rejected(tx)
            held, phases = workers.count_held(tx), sensors.count_by_phase(tx, now() - _SILENT)
        yield _gauge("st_ops_executions", "Unfinished executions.", "status",
                     {name: statuses.get(name, 0) for name in _UNFINISHED})  # fmt: skip
        depth: dict[str, int] = {}
        age: dict[str, float] = {}
        for group in waiting:
            seconds = max(0.0, (now() - group.oldest).total_seconds())
            depth[group.queue] = depth.get(group.queue, 0) + group.count
            age[group.queue] = max(age.get(group.queue, 0.0), seconds)
        yield _gauge("st_ops_queue_depth", "Executions that are ready and wait for a worker.", "queue", depth)
        yield _gauge("st_ops_queue_age_seconds", "How long the oldest of them has waited.", "queue", age)
        yield _unfit(without_worker(waiting, living))
        runners = [worker for worker in living if worker.kind == "runner"]
        yield _gauge("st_ops_worker_slots", "Slots of a worker.", "worker",
                     {worker.id: worker.slots for worker in runners})  # fmt: skip
        yield _gauge("st_ops_worker_running", "Executions a worker holds.", "worker",
                     {worker.id: held.get(worker.id, 0) for worker in living})  # fmt: skip
        yield _gauge("st_ops_workers", "Living workers and engines.", "kind", _count(w.kind for w in living))
        yield _gauge("st_ops_sensors", "Sensors by where they are.", "phase", phases)
        yield GaugeMetricFamily("st_ops_events_pending", "Events that wait to be matched.", value=pending)
        yield GaugeMetricFamily(
            "st_ops_events_rejected_kept", "Refused events that are kept.", value=rejected
        )


def _count(kinds: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for kind in kinds:
        found[kind] = found.get(kind, 0) + 1
    return found


def _unfit(groups: Iterable[Waiting]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "st_ops_queue_without_worker", "Ready, and no living worker takes it.", labels=("queue", "needs")
    )
    for group in groups:
        family.add_metric((group.queue, ",".join(group.needs)), group.count)
    return family


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family
