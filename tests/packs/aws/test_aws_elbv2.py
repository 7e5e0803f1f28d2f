from __future__ import annotations

import pytest

from st_ops.sdk import ActionFailed
from tests.packs.aws.aws_setting import Aws
from tests.packs.pack_files import pack_file


@pytest.fixture
def group(aws: Aws) -> str:
    vpc = aws.client("ec2").create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    answer = aws.client("elbv2").create_target_group(
        Name="shop", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="instance"
    )
    return str(answer["TargetGroups"][0]["TargetGroupArn"])


@pytest.fixture
def instance(aws: Aws) -> str:
    made = aws.run("ec2_run_instances", client_token="one", image_id="ami-12c6146b").result
    return str(made["instance_ids"][0])


def targets(aws: Aws, group: str) -> list[str]:
    answer = aws.client("elbv2").describe_target_health(TargetGroupArn=group)
    return [entry["Target"]["Id"] for entry in answer["TargetHealthDescriptions"]]


def test_registering_twice_registers_once(aws: Aws, group: str, instance: str):
    first = aws.run("elbv2_register_targets", target_group=group, targets=[instance]).result
    again = aws.run("elbv2_register_targets", target_group=group, targets=[instance]).result

    assert (first["added"], again["added"]) == ([instance], [])
    assert targets(aws, group) == [instance]


def test_a_target_group_is_found_by_its_name(aws: Aws, group: str, instance: str):
    made = aws.run("elbv2_register_targets", target_group="shop", targets=[instance]).result

    assert made["target_group_arn"] == group


def test_a_target_group_that_does_not_exist_is_named(aws: Aws, instance: str):
    with pytest.raises(ActionFailed, match="There is no target group 'nothing' in this region"):
        pack_file("aws", "actions/elbv2.py").elbv2_register_targets(aws.context(), "nothing", [instance])


def test_deregistering_twice_removes_once(aws: Aws, group: str, instance: str):
    aws.run("elbv2_register_targets", target_group=group, targets=[instance])

    first = aws.run("elbv2_deregister_targets", target_group=group, targets=[instance]).result
    again = aws.run("elbv2_deregister_targets", target_group=group, targets=[instance]).result

    assert (first["removed"], again["removed"]) == ([instance], [])
    assert targets(aws, group) == []


def test_waiting_ends_when_all_targets_are_healthy(aws: Aws, group: str, instance: str):
    aws.run("elbv2_register_targets", target_group=group, targets=[instance])

    waited = aws.run("elbv2_wait_healthy", target_group=group, targets=[instance])

    assert waited.result["health"][instance]["state"] == "healthy"


def test_a_target_that_does_not_become_healthy_is_named_with_the_reason(aws: Aws, group: str, instance: str):
    wait = pack_file("aws", "actions/elbv2.py").elbv2_wait_healthy

    with pytest.raises(ActionFailed, match=rf"\({instance} is unused, Target.NotRegistered\) after 0.1 s"):
        wait(aws.context(), group, [instance], timeout_seconds=0.1)
