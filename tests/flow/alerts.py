"""What Prometheus Alertmanager (version 4 of its webhook) posts when an alert begins and when it ends."""

from __future__ import annotations

from typing import Any

SERVICE = "shop"
_BEGIN = "2026-07-01T10:00:00.000Z"
_END = "2026-07-01T10:20:00.000Z"
_NEVER = "0001-01-01T00:00:00Z"


def notification(status: str, *, service: str = SERVICE, starts_at: str = _BEGIN) -> dict[str, Any]:
    """``firing`` or ``resolved``; the same service and beginning make the same episode."""
    labels = {"alertname": "ServiceOverloaded", "service": service, "severity": "critical"}
    annotations = {"summary": f"{service} answers slowly"}
    return {
        "version": "4",
        "groupKey": '{}:{alertname="ServiceOverloaded"}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "st_ops",
        "groupLabels": {"alertname": "ServiceOverloaded"},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "http://alertmanager.example:9093",
        "alerts": [
            {
                "status": status,
                "labels": labels,
                "annotations": annotations,
                "startsAt": starts_at,
                "endsAt": _END if status == "resolved" else _NEVER,
                "generatorURL": "http://prometheus.example:9090/graph",
                "fingerprint": f"{sum(service.encode()):016x}",
            }
        ],
    }
