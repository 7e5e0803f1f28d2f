"""Figures for Prometheus that a process counts itself. One registry per process, handed to every part that counts.

What the store holds at the moment of asking is told by ``st_ops.store.figures``.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

#: Upper bounds in seconds, from a fork to a long workflow.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)

#: Kinds of sources of which each is worth a series of its own; of the others there may be thousands.
_NAMED_SOURCES = frozenset({"webhook", "sensor", "timer"})


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.accepted = self._counter("st_ops_events_accepted_total", "Events accepted.", ("source",))
        self.duplicates = self._counter(
            "st_ops_events_duplicate_total", "Repeats that were dropped.", ("source",)
        )
        self.rejected = self._counter("st_ops_events_rejected_total", "Events refused.", ("source", "status"))
        self.processed = self._counter(
            "st_ops_events_processed_total", "Events held against the rules.", ("status",)
        )
        self.match_seconds = self._histogram(
            "st_ops_event_match_seconds", "From the acceptance of an event to its enforcements.", ()
        )
        self.enforced = self._counter(
            "st_ops_rules_matched_total", "Rules that matched, and whether that made an execution.",
            ("rule", "status"),
        )  # fmt: skip
        self.started = self._counter("st_ops_executions_started_total", "Executions claimed.", ("action",))
        self.finished = self._counter(
            "st_ops_executions_finished_total", "Executions ended.", ("action", "status")
        )
        self.waited = self._histogram("st_ops_execution_wait_seconds", "From request to start.", ("action",))
        self.ran = self._histogram("st_ops_execution_run_seconds", "From start to end.", ("action",))
        self.tasks_requested = self._counter(
            "st_ops_workflow_tasks_requested_total", "Tasks that workflows asked for.", ("workflow",)
        )
        self.tasks_finished = self._counter(
            "st_ops_workflow_tasks_finished_total", "Tasks of workflows that ended.", ("status",)
        )
        self.requests = self._histogram(
            "st_ops_http_request_seconds", "Time to answer.", ("method", "path", "status")
        )

    def _counter(self, name: str, text: str, labels: Sequence[str]) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: Sequence[str]) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=_SECONDS)

    def observe_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """One answered request; ``path`` is the route's pattern, so that there are few."""
        self.requests.labels(method, path, str(status)).observe(seconds)

    def observe_event(self, source: str, duplicate: bool) -> None:
        """One accepted event."""
        kind, _, _name = source.partition(" ")
        label = source if kind in _NAMED_SOURCES else kind or "other"
        (self.duplicates if duplicate else self.accepted).labels(label).inc()

    def observe_end(
        self, action: str, status: str, waited: float | None, ran: float | None, *, task: bool
    ) -> None:
        """One execution that ended; seconds, None for what never started. ``task``: of a workflow."""
        self.finished.labels(action, status).inc()
        if task:
            self.tasks_finished.labels(status).inc()
        if waited is not None:
            self.waited.labels(action).observe(max(0.0, waited))
        if ran is not None:
            self.ran.labels(action).observe(max(0.0, ran))

    def text(self) -> bytes:
        """Everything registered, in Prometheus' text form."""
        return generate_latest(self.registry)
