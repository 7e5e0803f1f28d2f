"""Load balancers: take targets into a target group and out of it, and wait for their health."""

from __future__ import annotations

from typing import Any

from aws_client import client, error_code, explained, wait_until
from botocore.exceptions import ClientError

from st_ops.sdk import ActionFailed, Context, action


@action(idempotent=True, timeout=120)
@explained
def elbv2_register_targets(
    ctx: Context, target_group: str, targets: list[str], port: int = 0
) -> dict[str, Any]:
    """Register targets with a target group; those that are registered stay so.

    Args:
        target_group: ARN or name of the target group.
        targets: Instance ids, or IP addresses for a group of that type.
        port: Port of the targets; 0 is the group's own.
    """
    elb = client(ctx, "elbv2")
    arn = _arn(elb, target_group)
    before = _health(elb, arn, targets)
    elb.register_targets(TargetGroupArn=arn, Targets=_targets(targets, port))
    added = [known for known in targets if not _is_member(before[known])]
    return {"target_group_arn": arn, "targets": targets, "added": added}


@action(idempotent=True, timeout=900)
@explained
def elbv2_deregister_targets(
    ctx: Context, target_group: str, targets: list[str], wait: bool = True, timeout_seconds: float = 400
) -> dict[str, Any]:
    """Take targets out of a target group; those that are not in it are left alone.

    Args:
        target_group: ARN or name of the target group.
        targets: Instance ids or IP addresses.
        wait: Return only when their connections are drained.
        timeout_seconds: How long to wait at most.
    """
    elb = client(ctx, "elbv2")
    arn = _arn(elb, target_group)
    before = _health(elb, arn, targets)
    members = [
        known for known in targets if _is_member(before[known]) and before[known]["state"] != "draining"
    ]
    if members:
        elb.deregister_targets(TargetGroupArn=arn, Targets=_targets(members))
    if wait:
        _wait_drained(ctx, elb, arn, targets, timeout_seconds)
    return {"target_group_arn": arn, "targets": targets, "removed": members}


@action(idempotent=True, timeout=1800)
@explained
def elbv2_wait_healthy(
    ctx: Context, target_group: str, targets: list[str], timeout_seconds: float = 600
) -> dict[str, Any]:
    """Wait until the load balancer finds all targets healthy.

    Args:
        target_group: ARN or name of the target group.
        targets: Instance ids or IP addresses.
        timeout_seconds: How long to wait at most.
    """
    elb = client(ctx, "elbv2")
    arn = _arn(elb, target_group)
    seen: dict[str, dict[str, str]] = {}

    def look() -> dict[str, Any] | None:
        seen.update(_health(elb, arn, targets))
        healthy = all(entry["state"] == "healthy" for entry in seen.values())
        return {"target_group_arn": arn, "health": seen} if healthy else None

    return wait_until(ctx, look, timeout_seconds, lambda: f"Not all targets are healthy ({_states(seen)})")


@action(idempotent=True, timeout=120)
@explained
def elbv2_describe_target_health(
    ctx: Context, target_group: str, targets: list[str] | None = None
) -> dict[str, Any]:
    """Tell the health of a target group's targets.

    Args:
        target_group: ARN or name of the target group.
        targets: Only these; by default all that are registered.
    """
    elb = client(ctx, "elbv2")
    arn = _arn(elb, target_group)
    return {"target_group_arn": arn, "health": _health(elb, arn, targets or [])}


def _arn(elb: Any, target_group: str) -> str:
    if target_group.startswith("arn:"):
        return target_group
    try:
        found = elb.describe_target_groups(Names=[target_group])["TargetGroups"]
    except ClientError as error:
        if error_code(error) != "TargetGroupNotFound":
            raise
        found = []
    if not found:
        raise ActionFailed(f"There is no target group '{target_group}' in this region.")
    return str(found[0]["TargetGroupArn"])


def _targets(targets: list[str], port: int = 0) -> list[dict[str, Any]]:
    return [{"Id": known, "Port": port} if port else {"Id": known} for known in targets]


def _health(elb: Any, arn: str, targets: list[str]) -> dict[str, dict[str, str]]:
    """Target → ``{state, reason, description}``; a target the group does not know is unused, Target.NotRegistered."""
    more = {"Targets": _targets(targets)} if targets else {}
    try:
        answer = elb.describe_target_health(TargetGroupArn=arn, **more)
        found = {entry["Target"]["Id"]: entry["TargetHealth"] for entry in answer["TargetHealthDescriptions"]}
    except ClientError as error:
        if error_code(error) != "InvalidTarget":
            raise
        found = {}
    unknown = {"State": "unused", "Reason": "Target.NotRegistered"}
    return {
        known: {
            "state": health["State"],
            "reason": health.get("Reason", ""),
            "description": health.get("Description", ""),
        }
        for known, health in ((known, found.get(known, unknown)) for known in targets or found)
    }


def _is_member(health: dict[str, str]) -> bool:
    return health["reason"] != "Target.NotRegistered"


def _wait_drained(ctx: Context, elb: Any, arn: str, targets: list[str], timeout: float) -> None:
    seen: dict[str, dict[str, str]] = {}

    def look() -> bool | None:
        seen.update(_health(elb, arn, targets))
        return not any(_is_member(entry) for entry in seen.values()) or None

    wait_until(ctx, look, timeout, lambda: f"Not all targets are drained ({_states(seen)})")


def _states(seen: dict[str, dict[str, str]]) -> str:
    return ", ".join(
        f"{known} is {health['state']}" + (f", {health['reason']}" if health["reason"] else "")
        for known, health in sorted(seen.items())
    )
