"""The AWS account of the main job (moto over HTTP), and what it holds, read back through boto3."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from tests.servers.moto import Moto

DOMAIN = "shop.example"
PORT = 8080


@dataclass(frozen=True, kw_only=True)
class Held:
    """``instances``: id → state, terminated ones included; ``records``: name → address; ``targets``: id → health."""

    instances: dict[str, str]
    addresses: dict[str, str]
    records: dict[str, str]
    targets: dict[str, str]

    def the_instance(self) -> str:
        """The id of the one instance there ever was, running, named and healthy; AssertionError when that is not so."""
        assert list(self.instances.values()) == ["running"], self
        (instance,) = self.instances
        assert list(self.records.values()) == [self.addresses[instance]], self
        assert self.targets == {instance: "healthy"}, self
        return instance

    def nothing_left(self) -> bool:
        """True when all that was made is gone again."""
        return not self.records and not self.targets and set(self.instances.values()) <= {"terminated"}


class Cloud:
    """Network, load balancer, target group, DNS zone and image, as any account has them before the first alert."""

    def __init__(self, moto: Moto) -> None:
        self._moto = moto
        ec2, elb = self.client("ec2"), self.client("elbv2")
        vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=moto.region + zone)["Subnet"][
                "SubnetId"
            ]
            for block, zone in (("10.20.1.0/24", "a"), ("10.20.2.0/24", "b"))
        ]
        self.subnet_id = subnets[0]
        self.image_id = ec2.register_image(Name="web", RootDeviceName="/dev/sda1")["ImageId"]
        group = elb.create_target_group(Name="shop", Protocol="HTTP", Port=PORT, VpcId=vpc)["TargetGroups"][0]
        self.target_group = group["TargetGroupArn"]
        balancer = elb.create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0]
        elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.target_group}],
        )  # fmt: skip
        zone = self.client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="st_ops tests")
        self.zone_id = zone["HostedZone"]["Id"].rpartition("/")[2]

    @property
    def config(self) -> dict[str, Any]:
        """The config of the pack ``aws`` that leads here."""
        return {
            "region": self._moto.region,
            "endpoint_url": self._moto.url,
            "access_key_id": "testing",
            "secret_access_key": "testing-secret",
            "poll_seconds": 0.2,
        }

    def make_queue(self, name: str) -> str:
        """An SQS queue; its URL."""
        return str(self.client("sqs").create_queue(QueueName=name)["QueueUrl"])

    def send(self, queue: str, body: dict[str, Any]) -> None:
        """Put a message on a queue."""
        self.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(body))

    def messages(self, queue: str) -> int:
        """How many messages a queue holds, those in flight included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def held(self) -> Held:
        """Ask AWS what there is."""
        filters = [{"Name": "subnet-id", "Values": [self.subnet_id]}]
        reservations = self.client("ec2").describe_instances(Filters=filters)["Reservations"]
        # A terminated instance has left its subnet; it is known by its tag.
        tagged = self.client("ec2").describe_instances(
            Filters=[{"Name": "tag:managed_by", "Values": ["st_ops"]}]
        )["Reservations"]
        entries = {
            entry["InstanceId"]: entry for group in [*reservations, *tagged] for entry in group["Instances"]
        }
        records = self.client("route53").list_resource_record_sets(HostedZoneId=self.zone_id)
        health = self.client("elbv2").describe_target_health(TargetGroupArn=self.target_group)
        return Held(
            instances={key: entry["State"]["Name"] for key, entry in entries.items()},
            addresses={key: entry.get("PrivateIpAddress", "") for key, entry in entries.items()},
            records={
                entry["Name"].rstrip("."): entry["ResourceRecords"][0]["Value"]
                for entry in records["ResourceRecordSets"]
                if entry["Type"] == "A"
            },
            targets={
                entry["Target"]["Id"]: entry["TargetHealth"]["State"]
                for entry in health["TargetHealthDescriptions"]
            },
        )

    def client(self, service: str) -> Any:
        """A boto3 client of the account."""
        return boto3.session.Session().client(
            service,  # type: ignore[call-overload]  # the service is a variable
            region_name=self._moto.region,
            endpoint_url=self._moto.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing-secret",
            config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=10),
        )
