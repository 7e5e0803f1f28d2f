"""Route 53: put and delete DNS records, and wait until all name servers know."""

from __future__ import annotations

from typing import Any

from aws_client import client, explained, wait_until

from st_ops.sdk import Context, action


@action(idempotent=True, timeout=600)
@explained
def route53_upsert_record(
    ctx: Context,
    hosted_zone_id: str,
    name: str,
    values: list[str],
    record_type: str = "A",
    ttl: int = 60,
    wait: bool = True,
    timeout_seconds: float = 300,
) -> dict[str, Any]:
    """Make a DNS record exist with exactly these values.

    Args:
        hosted_zone_id: The zone.
        name: Full name, e.g. shop-1.example.com.
        values: What it points to.
        record_type: A, AAAA, CNAME, TXT …
        ttl: Seconds that resolvers may keep it.
        wait: Return only when all of Route 53's name servers have it.
        timeout_seconds: How long to wait at most.
    """
    route53 = client(ctx, "route53")
    wanted = {
        "Name": name,
        "Type": record_type,
        "TTL": ttl,
        "ResourceRecords": [{"Value": value} for value in values],
    }
    present = _find(route53, hosted_zone_id, name, record_type)
    # Put even when it is there: a run that was cut off before its wait has changed it and knows no change id.
    change = _change(route53, hosted_zone_id, "UPSERT", wanted)
    if wait:
        _wait(ctx, route53, change, name, timeout_seconds)
    return {
        "name": name,
        "type": record_type,
        "values": values,
        "ttl": ttl,
        "changed": not _same(present, wanted),
    }


@action(idempotent=True, timeout=600)
@explained
def route53_delete_record(
    ctx: Context,
    hosted_zone_id: str,
    name: str,
    record_type: str = "A",
    wait: bool = True,
    timeout_seconds: float = 300,
) -> dict[str, Any]:
    """Delete a DNS record; one that is not there is fine.

    Args:
        hosted_zone_id: The zone.
        name: Full name of the record.
        record_type: A, AAAA, CNAME, TXT …
        wait: Return only when all of Route 53's name servers have forgotten it.
        timeout_seconds: How long to wait at most.
    """
    route53 = client(ctx, "route53")
    present = _find(route53, hosted_zone_id, name, record_type)
    if present is None:
        return {"name": name, "type": record_type, "changed": False}
    change = _change(route53, hosted_zone_id, "DELETE", present)
    if wait:
        _wait(ctx, route53, change, name, timeout_seconds)
    return {"name": name, "type": record_type, "changed": True}


def _find(route53: Any, zone: str, name: str, kind: str) -> dict[str, Any] | None:
    answer = route53.list_resource_record_sets(
        HostedZoneId=zone, StartRecordName=name, StartRecordType=kind, MaxItems="1"
    )
    for found in answer["ResourceRecordSets"]:
        if _plain(found["Name"]) == _plain(name) and found["Type"] == kind:
            return dict(found)
    return None


def _plain(name: str) -> str:
    return name.rstrip(".").lower().replace("\\052", "*")


def _same(present: dict[str, Any] | None, wanted: dict[str, Any]) -> bool:
    return (
        present is not None
        and present.get("TTL") == wanted["TTL"]
        and sorted(entry["Value"] for entry in present.get("ResourceRecords", []))
        == sorted(entry["Value"] for entry in wanted["ResourceRecords"])
    )


def _change(route53: Any, zone: str, verb: str, record: dict[str, Any]) -> str:
    batch = {"Changes": [{"Action": verb, "ResourceRecordSet": record}]}
    answer = route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)
    return str(answer["ChangeInfo"]["Id"])


def _wait(ctx: Context, route53: Any, change: str, name: str, timeout: float) -> None:
    def look() -> bool | None:
        return route53.get_change(Id=change)["ChangeInfo"]["Status"] == "INSYNC" or None

    wait_until(
        ctx, look, timeout, lambda: f"Not all name servers know the change of {name} (change {change})"
    )
