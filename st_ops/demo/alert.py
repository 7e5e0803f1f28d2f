"""What Prometheus Alertmanager (version 4 of its webhook) posts when an alert begins and when it ends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

SERVICE = "shop"


class Alert:
    """One outbreak of one alert."""

    def __init__(self) -> None:
        self._starts_at = _now()
        self._labels = {"alertname": "ServiceOverloaded", "service": SERVICE, "severity": "critical"}

    def firing(self) -> dict[str, Any]:
        """The notification that it fires; the same whenever it is repeated."""
        return self._notification("firing", "0001-01-01T00:00:00Z")

    def resolved(self) -> dict[str, Any]:
        """The notification that it is over."""
        return self._notification("resolved", _now())

    def _notification(self, status: str, ends_at: str) -> dict[str, Any]:
        annotations = {"summary": f"{SERVICE} answers slowly: all machines are busy"}
        return {
            "version": "4",
            "groupKey": '{}:{alertname="ServiceOverloaded"}',
            "truncatedAlerts": 0,
            "status": status,
            "receiver": "st_ops",
            "groupLabels": {"alertname": self._labels["alertname"]},
            "commonLabels": self._labels,
            "commonAnnotations": annotations,
            "externalURL": "http://alertmanager.example:9093",
            "alerts": [
                {
                    "status": status,
                    "labels": self._labels,
                    "annotations": annotations,
                    "startsAt": self._starts_at,
                    "endsAt": ends_at,
                    "generatorURL": "http://prometheus.example:9090/graph",
                    "fingerprint": "5f1d3a7c9b2e4f60",
                }
            ],
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
