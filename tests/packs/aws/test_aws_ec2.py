from __future__ import annotations

import pytest

from st_ops.sdk import ActionFailed
from tests.packs.aws.aws_setting import Aws
from tests.packs.pack_files import pack_file


def run_one(aws: Aws, token: str = "episode-1", **more):
    return aws.run("ec2_run_instances", client_token=token, image_id="ami-12c6146b", **more)


def instances_in(aws: Aws) -> list[dict]:
    answer = aws.client("ec2").describe_instances()
    return [entry for group in answer["Reservations"] for entry in group["Instances"]]


def test_one_client_token_makes_one_instance_however_often_it_is_asked_for(aws: Aws):
    first = run_one(aws, tags={"Name": "shop"}).result
    again = run_one(aws, tags={"Name": "shop"}).result

    assert first["created"] is True
    assert again["created"] is False
    assert again["instance_ids"] == first["instance_ids"]
    assert [entry["InstanceId"] for entry in instances_in(aws)] == first["instance_ids"]
    assert again["instances"][0]["tags"]["Name"] == "shop"


def test_another_token_makes_another_instance(aws: Aws):
    run_one(aws, "a")
    run_one(aws, "b", count=2)

    assert len(instances_in(aws)) == 3


def test_a_token_longer_than_ec2_takes_still_names_one_instance(aws: Aws):
    token = "fingerprint/2026-01-01T00:00:00Z/" + "x" * 60

    assert run_one(aws, token).result["instance_ids"] == run_one(aws, token).result["instance_ids"]


def test_the_token_of_a_terminated_instance_makes_no_second_one(aws: Aws):
    made = run_one(aws).result["instance_ids"]
    aws.run("ec2_terminate_instances", instance_ids=made)

    with pytest.raises(ActionFailed, match=rf"'episode-1' was used for {made[0]}, terminated since"):
        pack_file("aws", "actions/ec2.py").ec2_run_instances(aws.context(), "episode-1", "ami-12c6146b")
    assert len(instances_in(aws)) == 1


def test_waiting_ends_when_the_instance_runs(aws: Aws):
    made = run_one(aws).result["instance_ids"]

    waited = aws.run("ec2_wait_running", instance_ids=made)

    assert waited.result["instances"][0]["state"] == "running"
    assert waited.result["instances"][0]["private_ip"]


def test_waiting_for_an_instance_that_was_terminated_says_so_at_once(aws: Aws):
    made = run_one(aws).result["instance_ids"]
    aws.client("ec2").terminate_instances(InstanceIds=made)

    with pytest.raises(ActionFailed, match=f"ended before it ran: {made[0]} is terminated"):
        pack_file("aws", "actions/ec2.py").ec2_wait_running(aws.context(), made)


def test_waiting_for_an_instance_that_does_not_come_names_it_after_the_time_is_up(aws: Aws):
    with pytest.raises(
        ActionFailed, match=r"Not all instances are running \(i-0123456789abcdef0 is unknown\) after 0.1 s"
    ):
        pack_file("aws", "actions/ec2.py").ec2_wait_running(
            aws.context(), ["i-0123456789abcdef0"], timeout_seconds=0.1
        )


def test_terminating_twice_terminates_once(aws: Aws):
    made = run_one(aws).result["instance_ids"]

    first = aws.run("ec2_terminate_instances", instance_ids=made).result
    again = aws.run("ec2_terminate_instances", instance_ids=made).result

    assert first == {"terminated": made, "already_gone": []}
    assert again == {"terminated": [], "already_gone": made}
    assert instances_in(aws)[0]["State"]["Name"] == "terminated"


def test_instances_are_found_by_tag_and_those_gone_are_left_out(aws: Aws):
    kept = run_one(aws, "a", tags={"service": "shop"}).result["instance_ids"]
    gone = run_one(aws, "b", tags={"service": "shop"}).result["instance_ids"]
    run_one(aws, "c", tags={"service": "mail"})
    aws.run("ec2_terminate_instances", instance_ids=gone)

    assert aws.run("ec2_describe_instances", tags={"service": "shop"}).result["instance_ids"] == kept


def test_what_aws_refuses_is_a_sentence_with_its_code(aws: Aws):
    result = run_one(aws, subnet_id="subnet-0000")

    assert not result.ok
    assert result.result["code"] == "InvalidSubnetID.NotFound"
    assert result.result["error"].startswith("AWS refused RunInstances: InvalidSubnetID.NotFound:")


def test_the_instances_of_a_client_token_are_found_by_it(aws: Aws):
    made = run_one(aws, "episode-1/" + "x" * 80).result["instance_ids"]
    run_one(aws, "another")

    found = aws.run("ec2_describe_instances", client_token="episode-1/" + "x" * 80).result
    assert found["instance_ids"] == made
