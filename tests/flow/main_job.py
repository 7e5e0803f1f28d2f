"""The main job as a story: an alert, a workflow, and what AWS and the machine hold afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.flow.alerts import SERVICE, notification
from tests.flow.cloud import Cloud
from tests.flow.platform import Platform

#: The tasks of ``web_service.scale_out``, in order.
TASKS = (
    "create_machine",
    "wait_until_running",
    "provision_over_ssh",
    "register_dns_name",
    "attach_to_load_balancer",
    "wait_until_healthy",
)


def raise_alert(platform: Platform) -> str:
    """Post the firing notification; the event's id."""
    return str(platform.post("/webhooks/alertmanager", notification("firing"))["id"])


def resolve_alert(platform: Platform) -> str:
    """Post the resolved notification; the event's id."""
    return str(platform.post("/webhooks/alertmanager", notification("resolved"))["id"])


def await_scaled_out(platform: Platform, event: str, deadline: float = 60) -> dict[str, Any]:
    """The workflow of ``event`` once it has succeeded, each task once."""
    workflow = platform.await_execution_of(event)
    ended = platform.await_status(workflow["id"], deadline=deadline)
    assert ended["status"] == "succeeded", ended
    children = platform.children(workflow["id"])
    assert [(child["context"]["orquesta"]["task_name"], child["status"]) for child in children] == [
        (task, "succeeded") for task in TASKS
    ]
    return ended


def await_scaled_in(platform: Platform, event: str, cloud: Cloud) -> None:
    """The workflow of the resolved ``event``, and an empty AWS after it."""
    ended = platform.await_status(platform.await_execution_of(event)["id"])
    assert ended["status"] == "succeeded", ended
    assert cloud.held().nothing_left(), cloud.held()


def assert_provisioned(machine: Path, name: str) -> None:
    """The machine, whose home is ``machine``, was provisioned as ``name``."""
    text = (machine / "services" / SERVICE / "service.conf").read_text()
    assert f"name = {name}" in text
