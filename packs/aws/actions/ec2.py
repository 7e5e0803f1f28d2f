"""EC2: run, wait for, describe and terminate instances. Each may be run again without doing anything twice."""

from __future__ import annotations

import hashlib
from typing import Any

from aws_client import client, error_code, explained, wait_until
from botocore.exceptions import ClientError

from st_ops.sdk import ActionFailed, Context, action

#: Carries the client token, so that an instance is found again by who looks before running one.
TOKEN_TAG = "st_ops:client_token"
#: States of an instance that exists or will.
ALIVE = ["pending", "running", "stopping", "stopped"]
GONE = ("shutting-down", "terminated")


@action(idempotent=True, timeout=120)
@explained
def ec2_run_instances(
    ctx: Context,
    client_token: str,
    image_id: str,
    instance_type: str = "t3.micro",
    count: int = 1,
    subnet_id: str = "",
    security_group_ids: list[str] | None = None,
    key_name: str = "",
    user_data: str = "",
    iam_instance_profile: str = "",
    tags: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Run instances, once per client token: asked again, it returns those that exist.

    Args:
        client_token: Names this wish, e.g. an alert's episode. One token makes one set of instances, ever.
        image_id: The AMI.
        instance_type: Size of the instances.
        count: How many.
        subnet_id: Subnet; empty is the default one.
        security_group_ids: Security groups; empty is the default one.
        key_name: Key pair for SSH.
        user_data: Script that the instances run at their first start.
        iam_instance_profile: Name of the instance profile.
        tags: Tags of the instances.
    """
    ec2 = client(ctx, "ec2")
    token = _token(client_token)
    present = _find(ec2, [{"Name": f"tag:{TOKEN_TAG}", "Values": [token]}])
    if present:
        return _existing(present, client_token)
    wish: dict[str, Any] = {
        "ImageId": image_id,
        "InstanceType": instance_type,
        "MinCount": count,
        "MaxCount": count,
        "ClientToken": token,
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": _tag_list({**(tags or {}), TOKEN_TAG: token})}
        ],
    }
    wish.update({"SubnetId": subnet_id} if subnet_id else {})
    wish.update({"SecurityGroupIds": security_group_ids} if security_group_ids else {})
    wish.update({"KeyName": key_name} if key_name else {})
    wish.update({"UserData": user_data} if user_data else {})
    wish.update({"IamInstanceProfile": {"Name": iam_instance_profile}} if iam_instance_profile else {})
    answer = ec2.run_instances(**wish)
    return _result([_facts(entry) for entry in answer["Instances"]], created=True)


def _existing(present: list[dict[str, Any]], client_token: str) -> dict[str, Any]:
    gone = [entry["instance_id"] for entry in present if entry["state"] in GONE]
    if gone:
        raise ActionFailed(
            f"The client token '{client_token}' was used for {', '.join(gone)}, terminated since. "
            "A new instance needs a new token."
        )
    return _result(present, created=False)


@action(idempotent=True, timeout=900)
@explained
def ec2_wait_running(ctx: Context, instance_ids: list[str], timeout_seconds: float = 300) -> dict[str, Any]:
    """Wait until all instances run.

    Args:
        instance_ids: The instances.
        timeout_seconds: How long to wait at most.
    """
    return _wait(client(ctx, "ec2"), ctx, instance_ids, "running", timeout_seconds)


@action(idempotent=True, timeout=900)
@explained
def ec2_terminate_instances(
    ctx: Context, instance_ids: list[str], wait: bool = True, timeout_seconds: float = 300
) -> dict[str, Any]:
    """Terminate instances; those that are gone already are left alone.

    Args:
        instance_ids: The instances.
        wait: Return only when they are terminated.
        timeout_seconds: How long to wait at most.
    """
    ec2 = client(ctx, "ec2")
    doomed = [entry["instance_id"] for entry in _known(ec2, instance_ids) if entry["state"] not in GONE]
    if doomed:
        ec2.terminate_instances(InstanceIds=doomed)
    if wait:
        _wait(ec2, ctx, instance_ids, "terminated", timeout_seconds)
    return {"terminated": doomed, "already_gone": [known for known in instance_ids if known not in doomed]}


@action(idempotent=True, timeout=120)
@explained
def ec2_describe_instances(
    ctx: Context,
    instance_ids: list[str] | None = None,
    client_token: str = "",
    tags: dict[str, str] | None = None,
    states: list[str] | None = None,
) -> dict[str, Any]:
    """List instances by id, client token, tags and state.

    Args:
        instance_ids: Only these.
        client_token: Only those that ec2_run_instances made for this token.
        tags: Only those with all these tags.
        states: Only those in one of these states; by default those that are not gone.
    """
    filters = [{"Name": f"tag:{name}", "Values": [value]} for name, value in (tags or {}).items()]
    filters.append({"Name": "instance-state-name", "Values": states or ALIVE})
    if client_token:
        filters.append({"Name": f"tag:{TOKEN_TAG}", "Values": [_token(client_token)]})
    if instance_ids:
        filters.append({"Name": "instance-id", "Values": instance_ids})
    return _result(_find(client(ctx, "ec2"), filters))


def _token(text: str) -> str:
    """A client token as EC2 takes it: at most 64 ASCII characters."""
    if text.isascii() and 0 < len(text) <= 64:
        return text
    return hashlib.sha256(text.encode()).hexdigest()


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": str(name), "Value": str(value)} for name, value in tags.items()]


def _find(ec2: Any, filters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    pages = ec2.get_paginator("describe_instances").paginate(Filters=filters)
    return [_facts(entry) for page in pages for group in page["Reservations"] for entry in group["Instances"]]


def _known(ec2: Any, instance_ids: list[str]) -> list[dict[str, Any]]:
    """Facts of those of ``instance_ids`` that EC2 (still) knows; a filter does not fail for the others."""
    return _find(ec2, [{"Name": "instance-id", "Values": instance_ids}]) if instance_ids else []


def _wait(ec2: Any, ctx: Context, instance_ids: list[str], wanted: str, timeout: float) -> dict[str, Any]:
    seen: dict[str, str] = {}

    def look() -> dict[str, Any] | None:
        try:
            found = _known(ec2, instance_ids)
        except ClientError as error:
            if error_code(error) != "InvalidInstanceID.NotFound":
                raise
            found = []
        # EC2 forgets a terminated instance after an hour; a fresh one may not be visible at once.
        seen.update(dict.fromkeys(instance_ids, "terminated" if wanted == "terminated" else "unknown"))
        seen.update({entry["instance_id"]: entry["state"] for entry in found})
        if wanted == "running" and any(state in GONE for state in seen.values()):
            raise ActionFailed(f"An instance ended before it ran: {_states(seen)}.")
        return _result(found) if set(seen.values()) <= {wanted} else None

    return wait_until(ctx, look, timeout, lambda: f"Not all instances are {wanted} ({_states(seen)})")


def _states(seen: dict[str, str]) -> str:
    return ", ".join(f"{known} is {state}" for known, state in sorted(seen.items()))


def _facts(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "instance_id": entry["InstanceId"],
        "state": entry["State"]["Name"],
        "image_id": entry.get("ImageId", ""),
        "instance_type": entry.get("InstanceType", ""),
        "private_ip": entry.get("PrivateIpAddress", ""),
        "public_ip": entry.get("PublicIpAddress", ""),
        "subnet_id": entry.get("SubnetId", ""),
        "launch_time": entry["LaunchTime"],
        "tags": {tag["Key"]: tag["Value"] for tag in entry.get("Tags", [])},
    }


def _result(found: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"instance_ids": [entry["instance_id"] for entry in found], "instances": found, **more}
