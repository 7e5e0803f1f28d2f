"""Figures for Prometheus: what this process counted, and what the store holds at the moment of asking.

Every API process answers the same figures of the store, so one of them need be asked; the counters of webhooks
and requests are each process's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from st_ops.api.status import UNFINISHED, stranded
from st_ops.errors import Unavailable
from st_ops.model.identity import now
from st_ops.store import events, history, workers
from st_ops.store.database import Database

#: Upper bounds in seconds, from a fork to a long workflow.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class Metrics:
    """The figures of one API process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.registry = CollectorRegistry()
        self.accepted = self._counter(
            "st_ops_events_accepted_total", "Events accepted over HTTP.", ("source",)
        )
        self.duplicates = self._counter(
            "st_ops_events_duplicate_total", "Repeats that were dropped.", ("source",)
        )
        self.rejected = self._counter("st_ops_events_rejected_total", "Events refused.", ("source", "status"))
        self.requests = self._histogram(
            "st_ops_http_request_seconds", "Time to answer.", ("method", "path", "status")
        )
        self.finished = self._counter(
            "st_ops_executions_finished_total", "Executions ended.", ("action", "status")
        )
        self.waited = self._histogram("st_ops_execution_wait_seconds", "From request to start.", ("action",))
        self.ran = self._histogram("st_ops_execution_run_seconds", "From start to end.", ("action",))
        self.registry.register(_Stored(database))

    def _counter(self, name: str, text: str, labels: Sequence[str]) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: Sequence[str]) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=_SECONDS)

    def observe_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """One answered request; ``path`` is the route's pattern, so that there are few."""
        self.requests.labels(method, path, str(status)).observe(seconds)

    def observe_finished(self, ids: Sequence[str]) -> None:
        """Executions that ended just now."""
        with self._database.read() as tx:
            rows = history.timings(tx, ids)
        for action, status, created, started, ended in rows:
            self.finished.labels(action, status).inc()
            if started is not None and ended is not None:
                self.waited.labels(action).observe(max(0.0, (started - created).total_seconds()))
                self.ran.labels(action).observe(max(0.0, (ended - started).total_seconds()))

    def text(self) -> bytes:
        """Everything in Prometheus' text form. Reads the store."""
        return generate_latest(self.registry)


class _Stored(Collector):
    """What the store holds, read when asked."""

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
            statuses = history.count_by_status(tx, UNFINISHED)
            waiting, oldest = history.count_waiting(tx), history.oldest_waiting(tx)
            pending, rejected = events.count_pending(tx), events.count_rejected(tx)
            held, unfit = workers.count_held(tx), stranded(tx)
            living = workers.find(tx)
        moment = now()
        ages = {queue: max(0.0, (moment - since).total_seconds()) for queue, since in oldest.items()}
        slots = {worker.id: worker.slots for worker in living}
        yield _gauge(
            "st_ops_executions",
            "Unfinished executions.",
            "status",
            {name: statuses.get(name, 0) for name in UNFINISHED},
        )
        yield _gauge("st_ops_queue_depth", "Executions that wait.", "queue", waiting)
        yield _gauge("st_ops_queue_age_seconds", "How long the oldest has waited.", "queue", ages)
        family = GaugeMetricFamily(
            "st_ops_queue_without_worker", "Waiting, and no living worker takes it.", labels=("queue", "needs")
        )
        for group in unfit:
            family.add_metric((group.queue, ",".join(group.needs)), group.count)
        yield family
        yield _gauge("st_ops_worker_slots", "Slots of a worker.", "worker", slots)
        yield _gauge(
            "st_ops_worker_running",
            "Executions a worker holds.",
            "worker",
            {key: held.get(key, 0) for key in slots},
        )
        yield GaugeMetricFamily("st_ops_events_pending", "Events that wait to be matched.", value=pending)
        yield GaugeMetricFamily(
            "st_ops_events_rejected_kept", "Refused events that are kept.", value=rejected
        )


def _gauge(name: str, text: str, label: str, values: dict[str, int] | dict[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family
