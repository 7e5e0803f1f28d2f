"""The main job with the platform SIGKILLed at every step of the chain: at each state the store can be left in."""

from __future__ import annotations

import signal
from typing import Any

import httpx
import pytest

from tests.faults.dying import DIE_AT
from tests.flow.alerts import notification
from tests.flow.cloud import Cloud
from tests.flow.fixtures import MakePlatform
from tests.flow.main_job import TASKS, await_scaled_in, await_scaled_out, raise_alert, resolve_alert
from tests.flow.platform import Platform
from tests.waiting import eventually

EVENT = "monitoring.alertmanager"
RULE = "web_service.scale_out_on_overload"
WORKFLOW = "web_service.scale_out"


def of_task(task: str) -> list[str]:
    """The moments around one task: asked for; claimed; done, which is not recorded; recorded, but not gone on from."""
    return [
        f"after requested {task}",
        f"after running {task}",
        f"before succeeded {task}",
        f"after succeeded {task}",
    ]


MOMENTS = {
    "alert": [f"before accepted {EVENT}", f"after accepted {EVENT}"],
    "rule": [f"before matched {RULE}", f"after matched {RULE}"],
    "workflow": [f"after running {WORKFLOW}"],
    **{task: of_task(task) for task in TASKS},
    "end": [f"before succeeded {WORKFLOW}", f"after succeeded {WORKFLOW}"],
}


@pytest.mark.parametrize("step", MOMENTS)
def test_the_chain_completes_once_though_the_platform_is_killed_at(
    step: str, make_platform: MakePlatform, main_job_configs: dict[str, Any], cloud: Cloud
) -> None:
    platform = make_platform(configs=main_job_configs, module="tests.faults.dying")
    event = ""
    for moment in MOMENTS[step]:
        platform.start(more={DIE_AT: moment}, wait=False)
        # What starts again goes on by itself, and may be dead before the alert is repeated.
        event = post_until_dead(platform) or event
        assert platform.processes["up"].await_end() == -signal.SIGKILL
    platform.start()
    # Alertmanager repeats what was not answered; what was accepted is not accepted twice.
    event = event or raise_alert(platform)
    await_scaled_out(platform, event)
    cloud.held().the_instance()
    assert raise_alert(platform) == event
    assert len(platform.get("/executions", action=WORKFLOW)) == 1
    if step == "end":
        await_scaled_in(platform, resolve_alert(platform), cloud)


#: Process → the moment at which it dies, once; in the order in which that happens.
DEATHS = {
    "api": f"after accepted {EVENT}",
    "rules": f"before matched {RULE}",
    "workflows": "after requested wait_until_running",
    "runner": "before succeeded register_dns_name",
}


@pytest.mark.slow
def test_the_chain_completes_once_though_each_stages_process_is_killed_on_the_way(
    make_platform: MakePlatform,
    main_job_configs: dict[str, Any],
    cloud: Cloud,
    postgres_url: str,
    rabbitmq_url: str,
) -> None:
    platform = make_platform(
        nodes=tuple(DEATHS),
        configs=main_job_configs,
        settings={"store": {"url": postgres_url}, "bus": {"url": rabbitmq_url}},
        module="tests.faults.dying",
    )
    for name, moment in DEATHS.items():
        platform.start(name, more={DIE_AT: moment}, wait=False)
    for name in DEATHS:
        platform.await_ready(name)
    with pytest.raises(httpx.TransportError):
        raise_alert(platform)
    for name in DEATHS:
        assert platform.processes[name].await_end() == -signal.SIGKILL
        platform.start(name)
    event = raise_alert(platform)
    await_scaled_out(platform, event)
    cloud.held().the_instance()
    assert len(platform.get("/executions", action=WORKFLOW)) == 1


def post_until_dead(platform: Platform) -> str:
    """Post the alert until it is answered, or the platform is dead; the event's id, "" without an answer."""
    process = platform.processes["up"]

    def post() -> str:
        if process.code() is not None:
            return "dead"
        token = platform.home / "admin.token"
        headers = {"X-Auth-Token": token.read_text().strip() if token.exists() else ""}
        try:
            answer = platform.http.post(
                "/webhooks/alertmanager", json=notification("firing"), headers=headers
            )
        except httpx.TransportError:
            return ""
        return str(answer.json()["id"]) if answer.status_code == 202 else ""

    answer = eventually(post, 30, "an answer or the end")
    eventually(lambda: process.code() is not None, 30, f"{process.name} to die")
    return "" if answer == "dead" else answer
