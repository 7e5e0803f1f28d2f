"""Webhook sources: monitoring systems that post events in forms of their own, by the name of their webhook.

A source makes events of one request body. Each event has three identities, which peers mix up: the delivery
(this notification again), the series (the thing that is wrong) and the episode (one outbreak of it).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from st_ops.errors import InvalidInput
from st_ops.model.events import NewEvent

#: The trigger type of one Alertmanager alert.
ALERTMANAGER = "monitoring.alertmanager"


class Source(Protocol):
    """One kind of sender."""

    def parse(self, headers: Mapping[str, str], raw: bytes) -> list[NewEvent]:
        """The events in ``raw``, a request's body; ``headers`` have lower-case names.

        Raises InvalidInput, naming the key, for a body that is not of this source's form.
        """


class AlertmanagerSource:
    """Prometheus Alertmanager's webhook, version 4: one event per alert.

    Alertmanager sends a group again at every ``repeat_interval`` and whenever one of its alerts changes, so the
    same alert in the same state comes many times: the delivery is made of the alert and its state, and repeats
    do no harm.
    """

    def parse(self, headers: Mapping[str, str], raw: bytes) -> list[NewEvent]:
        """One event per entry of ``alerts``. Raises InvalidInput."""
        body = _object(raw)
        alerts = body.get("alerts")
        if not isinstance(alerts, list):
            raise InvalidInput(
                "'alerts' must be an array; is this Alertmanager's webhook format?", where="alerts"
            )
        return [_alert(body, alert, f"alerts[{index}]") for index, alert in enumerate(alerts)]


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as exc:
        raise InvalidInput(f"The body is not valid JSON: {exc}.", where="body") from exc
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a JSON object.", where="body")
    return body


def _alert(body: dict[str, Any], alert: Any, where: str) -> NewEvent:
    if not isinstance(alert, dict):
        raise InvalidInput(f"'{where}' must be an object.", where=where)
    labels = _mapping(alert, "labels", where)
    status, starts_at = _text(alert, "status", where), _text(alert, "startsAt", where)
    if status not in ("firing", "resolved"):
        raise InvalidInput(
            f"'{where}.status' is '{status}'; it is firing or resolved.", where=f"{where}.status"
        )
    fingerprint = str(alert.get("fingerprint") or "") or _fingerprint(labels)
    episode = f"{fingerprint}/{starts_at}"
    payload = {
        "status": status,
        "labels": labels,
        "annotations": _mapping(alert, "annotations", where),
        "starts_at": starts_at,
        "ends_at": str(alert.get("endsAt") or ""),
        "generator_url": str(alert.get("generatorURL") or ""),
        "fingerprint": fingerprint,
        "receiver": str(body.get("receiver") or ""),
        "group_key": str(body.get("groupKey") or ""),
        "external_url": str(body.get("externalURL") or ""),
        "group_labels": _mapping(body, "groupLabels"),
        "common_labels": _mapping(body, "commonLabels"),
        "common_annotations": _mapping(body, "commonAnnotations"),
        "episode": episode,
    }
    return NewEvent(
        trigger=ALERTMANAGER,
        payload=payload,
        delivery=f"alertmanager/{fingerprint}/{starts_at}/{status}",
        series=fingerprint,
        episode=episode,
        source="webhook alertmanager",
    )


def _mapping(holder: dict[str, Any], key: str, where: str = "") -> dict[str, Any]:
    value = holder.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        name = f"{where}.{key}" if where else key
        raise InvalidInput(f"'{name}' must be an object.", where=name)
    return value


def _text(alert: dict[str, Any], key: str, where: str) -> str:
    value = alert.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"'{where}.{key}' must be a text that is not empty.", where=f"{where}.{key}")
    return value


def _fingerprint(labels: dict[str, Any]) -> str:
    """Stands in for the fingerprint that very old Alertmanagers do not send: a hash of the labels."""
    return hashlib.sha256(orjson.dumps(labels, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


#: Webhook name → source.
SOURCES: dict[str, Source] = {"alertmanager": AlertmanagerSource()}
