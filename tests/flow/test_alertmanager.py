"""Debian's own Alertmanager sends the alert: grouping, repeats and the end of it are its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.flow.cloud import Cloud
from tests.flow.fixtures import MakePlatform
from tests.flow.main_job import await_scaled_out
from tests.flow.platform import Platform
from tests.servers.alertmanager import Alertmanager

_CONFIG = """
route:
  receiver: st_ops
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1s
receivers:
  - name: st_ops
    webhook_configs:
      - url: {url}/v1/webhooks/alertmanager
        send_resolved: true
        http_config:
          authorization:
            type: Bearer
            credentials_file: {token_file}
"""


def test_a_real_alertmanager_scales_out_once_and_in_again(
    make_platform: MakePlatform,
    main_job_configs: dict[str, dict[str, Any]],
    cloud: Cloud,
    alertmanager: Callable[[str], Alertmanager],
) -> None:
    platform = make_platform(configs=main_job_configs)
    platform.start()
    sender = alertmanager(_CONFIG.format(url=platform.url, token_file=platform.home / "admin.token"))
    began = datetime.now(UTC)
    alert = {
        "labels": {"alertname": "ServiceOverloaded", "service": "shop", "severity": "critical"},
        "annotations": {"summary": "shop answers slowly"},
        "startsAt": began.isoformat(),
        "endsAt": (began + timedelta(minutes=5)).isoformat(),
    }

    sender.post_alerts([alert])
    firing = await_event(platform, "firing")
    await_scaled_out(platform, firing["id"])
    cloud.held().the_instance()
    # It repeats itself every second; that is the same delivery, and known.
    platform.eventually(lambda: duplicates(platform) >= 1, 20, "a repetition to be recognized")
    assert len(platform.get("/executions", action="web_service.scale_out")) == 1

    sender.post_alerts([{**alert, "endsAt": datetime.now(UTC).isoformat()}])
    resolved = await_event(platform, "resolved")
    assert resolved["payload"]["episode"] == firing["payload"]["episode"]
    workflow = platform.await_execution_of(resolved["id"])
    assert platform.await_status(workflow["id"])["status"] == "succeeded"
    assert cloud.held().nothing_left()


def await_event(platform: Platform, status: str) -> dict[str, Any]:
    """The one event that Alertmanager's notification of this status became."""

    def look() -> list[dict[str, Any]]:
        found = platform.get("/triggerinstances", trigger="monitoring.alertmanager")
        return [entry for entry in found if entry["payload"]["status"] == status]

    (event,) = platform.eventually(look, 20, f"the {status} alert to come in")
    return dict(event)


def duplicates(platform: Platform) -> float:
    """How many repeated deliveries the webhook counted."""
    for line in platform.http.get("/metrics").text.splitlines():
        if "duplicate" in line and 'source="webhook alertmanager"' in line and "_created" not in line:
            return float(line.split()[-1])
    return 0
