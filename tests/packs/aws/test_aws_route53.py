from __future__ import annotations

from typing import Any

import pytest

from tests.packs.aws.aws_setting import Aws


@pytest.fixture
def zone(aws: Aws) -> str:
    answer = aws.client("route53").create_hosted_zone(Name="example.com", CallerReference="test")
    return str(answer["HostedZone"]["Id"])


def records(aws: Aws, zone: str) -> dict[str, list[str]]:
    answer = aws.client("route53").list_resource_record_sets(HostedZoneId=zone)
    return {
        found["Name"]: [entry["Value"] for entry in found["ResourceRecords"]]
        for found in answer["ResourceRecordSets"]
        if found["Type"] == "A"
    }


def put(aws: Aws, zone: str, *values: str):
    return aws.run(
        "route53_upsert_record", hosted_zone_id=zone, name="shop-1.example.com", values=list(values)
    ).result


def test_putting_a_record_twice_leaves_one(aws: Aws, zone: str):
    assert put(aws, zone, "10.0.0.1")["changed"] is True
    assert put(aws, zone, "10.0.0.1")["changed"] is False
    assert records(aws, zone) == {"shop-1.example.com.": ["10.0.0.1"]}


def test_putting_other_values_replaces_the_old_ones(aws: Aws, zone: str):
    put(aws, zone, "10.0.0.1")

    assert put(aws, zone, "10.0.0.2", "10.0.0.3")["changed"] is True
    assert records(aws, zone) == {"shop-1.example.com.": ["10.0.0.2", "10.0.0.3"]}


def test_deleting_a_record_twice_is_fine_and_leaves_its_neighbours(aws: Aws, zone: str):
    put(aws, zone, "10.0.0.1")
    aws.run("route53_upsert_record", hosted_zone_id=zone, name="shop-2.example.com", values=["10.0.0.2"])
    name: dict[str, Any] = {"hosted_zone_id": zone, "name": "shop-1.example.com"}

    assert aws.run("route53_delete_record", **name).result["changed"] is True
    assert aws.run("route53_delete_record", **name).result["changed"] is False
    assert records(aws, zone) == {"shop-2.example.com.": ["10.0.0.2"]}


def test_a_zone_that_does_not_exist_is_named(aws: Aws):
    result = aws.run("route53_delete_record", hosted_zone_id="Z0000", name="a.example.com")

    assert not result.ok
    assert "NoSuchHostedZone" in result.result["error"]
