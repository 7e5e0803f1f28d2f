"""An AWS on loopback (moto's server), what the demo prepares in it, and what it holds, read back through boto3."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from st_ops.demo.children import Children, clean_environment, free_port, listens

REGION = "eu-central-1"
DOMAIN = "shop.example"
PORT = 8080

#: States of an instance that costs money.
_ALIVE = ["pending", "running", "stopping", "stopped"]


@dataclass(frozen=True, kw_only=True)
class Held:
    """What AWS holds of the service. ``instances``: id → (state, address); ``records``: name → address;
    ``targets``: instance → health.
    """

    instances: Mapping[str, tuple[str, str]]
    records: Mapping[str, str]
    targets: Mapping[str, str]

    @property
    def nothing(self) -> bool:
        """True when nothing is left."""
        return not (self.instances or self.records or self.targets)

    def fault(self) -> str:
        """Why this is not exactly one running, named, healthy machine; "" when it is."""
        if len(self.instances) != 1:
            return f"AWS holds {len(self.instances)} instances, expected one."
        (instance, (state, address)), *_ = self.instances.items()
        if state != "running":
            return f"Instance {instance} is {state}, expected running."
        if list(self.records.values()) != [address]:
            return f"The zone holds {dict(self.records)}, expected one record for {address}."
        if dict(self.targets) != {instance: "healthy"}:
            return f"The target group holds {dict(self.targets)}, expected {instance} healthy."
        return ""


class DemoAws:
    """A running moto server. ``prepare`` makes what any account has before the first alert."""

    def __init__(self, children: Children, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._children = children
        self._child = children.start(
            "aws",
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            clean_environment(folder),
        )
        self.image_id = self.subnet_id = self.target_group = self.zone_id = ""

    def prepare(self) -> None:
        """Make network, load balancer, target group, DNS zone and image. Raises StartFailed."""
        self._children.await_ready("aws", self._child, lambda: listens(self._port), 20)
        ec2, elb = self._client("ec2"), self._client("elbv2")
        vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=REGION + zone)["Subnet"][
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
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.target_group}],
        )
        zone = self._client("route53").create_hosted_zone(Name=DOMAIN, CallerReference="st_ops demo")
        self.zone_id = zone["HostedZone"]["Id"].rpartition("/")[2]

    @property
    def config(self) -> dict[str, Any]:
        """The config of the pack ``aws`` that leads here."""
        return {
            "region": REGION,
            "endpoint_url": self.url,
            "access_key_id": "demo",
            "secret_access_key": "demo-secret",
            "poll_seconds": 0.2,
        }

    def held(self) -> Held:
        """Ask AWS what there is."""
        instances = self._client("ec2").describe_instances(
            Filters=[
                {"Name": "instance-state-name", "Values": _ALIVE},
                {"Name": "subnet-id", "Values": [self.subnet_id]},
            ]
        )
        records = self._client("route53").list_resource_record_sets(HostedZoneId=self.zone_id)
        health = self._client("elbv2").describe_target_health(TargetGroupArn=self.target_group)
        return Held(
            instances={
                entry["InstanceId"]: (entry["State"]["Name"], entry["PrivateIpAddress"])
                for group in instances["Reservations"]
                for entry in group["Instances"]
            },
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

    def _client(self, service: str) -> Any:
        return boto3.session.Session().client(  # type: ignore[call-overload]  # the service is a variable
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="demo",
            aws_secret_access_key="demo-secret",  # noqa: S106 - moto's, which takes any
            # proxies={}: not those of the environment.
            config=Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=10, proxies={}),
        )
