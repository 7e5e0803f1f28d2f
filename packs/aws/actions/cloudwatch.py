"""CloudWatch: read an alarm."""

from __future__ import annotations

from typing import Any

from aws_client import client, explained

from st_ops.sdk import ActionFailed, Context, action


@action(idempotent=True, timeout=60)
@explained
def cloudwatch_read_alarm(ctx: Context, name: str) -> dict[str, Any]:
    """Tell the state of an alarm, why it is in it and since when.

    Args:
        name: Name of the alarm.
    """
    answer = client(ctx, "cloudwatch").describe_alarms(
        AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    found = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
    if not found:
        raise ActionFailed(f"There is no CloudWatch alarm '{name}' in this region.")
    alarm = found[0]
    return {
        "name": alarm["AlarmName"],
        "arn": alarm["AlarmArn"],
        "state": alarm["StateValue"],
        "reason": alarm.get("StateReason", ""),
        "since": alarm.get("StateTransitionedTimestamp") or alarm.get("StateUpdatedTimestamp"),
        "metric": alarm.get("MetricName", ""),
        "namespace": alarm.get("Namespace", ""),
        "dimensions": {entry["Name"]: entry["Value"] for entry in alarm.get("Dimensions", [])},
        "threshold": alarm.get("Threshold"),
    }
