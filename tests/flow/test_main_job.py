"""The main job over real parts: alert → rule → workflow → VM, SSH, DNS, load balancer → audit; and back again."""

from __future__ import annotations

import pytest

from tests.flow.cloud import Cloud
from tests.flow.fixtures import MakePlatform
from tests.flow.main_job import (
    TASKS,
    assert_provisioned,
    await_scaled_in,
    await_scaled_out,
    raise_alert,
    resolve_alert,
)
from tests.flow.platform import STAGES, Platform
from tests.servers.sshd import Sshd


def test_an_alert_scales_out_and_its_end_scales_in_on_one_machine(
    make_platform: MakePlatform, main_job_configs, cloud: Cloud, sshd: Sshd
) -> None:
    platform = make_platform(configs=main_job_configs)
    platform.start()
    event = raise_alert(platform)
    await_scaled_out(platform, event)
    cloud.held().the_instance()
    (name,) = cloud.held().records
    assert_provisioned(sshd.home, name)
    assert_audited(platform, event)
    await_scaled_in(platform, resolve_alert(platform), cloud)


def assert_audited(platform: Platform, event: str) -> None:
    """The audit log tells of everything from the alert to the load balancer, by one trace, in order."""
    trace = platform.get(f"/triggerinstances/{event}")["trace_id"]
    entries = [(entry["verb"], entry["kind"], entry["ref"]) for entry in platform.audit(trace_id=trace)]
    assert entries[0] == ("accepted", "trigger_instance", "monitoring.alertmanager")
    assert ("matched", "rule", "web_service.scale_out_on_overload") in entries
    of_workflow = [
        verb for verb, kind, ref in entries if (kind, ref) == ("execution", "web_service.scale_out")
    ]
    assert of_workflow == ["requested", "running", "succeeded"]
    of_tasks = {
        (entry["detail"]["task"], entry["verb"])
        for entry in platform.audit(trace_id=trace)
        if "task" in entry["detail"]
    }
    assert of_tasks == {(task, verb) for task in TASKS for verb in ("requested", "running", "succeeded")}
    assert entries[-1] == ("succeeded", "execution", "web_service.scale_out")


@pytest.mark.slow
def test_the_main_job_on_postgresql_and_rabbitmq_with_a_process_for_each_stage(
    make_platform: MakePlatform,
    main_job_configs,
    cloud: Cloud,
    sshd: Sshd,
    postgres_url: str,
    rabbitmq_url: str,
) -> None:
    platform = make_platform(
        nodes=STAGES,
        configs=main_job_configs,
        settings={"store": {"url": postgres_url}, "bus": {"url": rabbitmq_url}},
    )
    platform.start()
    event = raise_alert(platform)
    await_scaled_out(platform, event)
    cloud.held().the_instance()
    assert_audited(platform, event)
    await_scaled_in(platform, resolve_alert(platform), cloud)


@pytest.mark.slow
def test_the_main_job_on_postgresql_and_redis_with_two_processes(
    make_platform: MakePlatform, main_job_configs, cloud: Cloud, postgres_url: str, redis_url: str
) -> None:
    platform = make_platform(
        nodes=("api,rules,sensors", "workflows,schedules,runner"),
        configs=main_job_configs,
        settings={"store": {"url": postgres_url}, "bus": {"url": redis_url}},
    )
    platform.start()
    await_scaled_out(platform, raise_alert(platform))
    cloud.held().the_instance()
