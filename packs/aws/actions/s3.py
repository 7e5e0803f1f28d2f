"""S3: wait for an object, and copy one."""

from __future__ import annotations

from typing import Any

from aws_client import client, error_code, explained, wait_until
from botocore.exceptions import ClientError

from st_ops.sdk import ActionFailed, Context, action

#: Metadata of a copy: which version of the source it was made from.
SOURCE_MARK = "st-ops-source-etag"


@action(idempotent=True, timeout=90000)
@explained
def s3_wait_object(
    ctx: Context, bucket: str, key: str, min_bytes: int = 0, timeout_seconds: float = 3600
) -> dict[str, Any]:
    """Wait until an object exists.

    Args:
        bucket: The bucket.
        key: The object.
        min_bytes: How large it must be at least.
        timeout_seconds: How long to wait at most.
    """
    s3 = client(ctx, "s3")

    def look() -> dict[str, Any] | None:
        found = _head(s3, bucket, key)
        return found if found is not None and found["size"] >= min_bytes else None

    wanted = f"s3://{bucket}/{key}" + (f" with at least {min_bytes} bytes" if min_bytes else "")
    return wait_until(ctx, look, timeout_seconds, lambda: f"There is no {wanted}")


@action(idempotent=True, timeout=3600)
@explained
def s3_copy_object(
    ctx: Context, source_bucket: str, source_key: str, bucket: str, key: str
) -> dict[str, Any]:
    """Copy an object within S3, of any size; a copy of the same version is left alone.

    Args:
        source_bucket: Bucket to copy from.
        source_key: Object to copy.
        bucket: Bucket to copy to.
        key: Name of the copy.
    """
    s3 = client(ctx, "s3")
    source = _head(s3, source_bucket, source_key)
    if source is None:
        raise ActionFailed(f"There is no s3://{source_bucket}/{source_key} to copy.")
    present = _head(s3, bucket, key)
    if present is not None and _is_copy(present, source):
        return _result(present, changed=False)
    s3.copy(
        {"Bucket": source_bucket, "Key": source_key},
        bucket,
        key,
        ExtraArgs={
            "Metadata": {**source["metadata"], SOURCE_MARK: source["etag"]},
            "MetadataDirective": "REPLACE",
            "ContentType": source["content_type"],
        },
    )
    return _result(_head(s3, bucket, key) or source, changed=True)


def _is_copy(present: dict[str, Any], source: dict[str, Any]) -> bool:
    same_mark = present["metadata"].get(SOURCE_MARK) == source["etag"]
    return present["size"] == source["size"] and (same_mark or present["etag"] == source["etag"])


def _head(s3: Any, bucket: str, key: str) -> dict[str, Any] | None:
    try:
        found = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error_code(error) in ("404", "NoSuchKey", "NotFound"):
            return None
        raise
    return {
        "bucket": bucket,
        "key": key,
        "size": found["ContentLength"],
        "etag": found["ETag"].strip('"'),
        "last_modified": found["LastModified"],
        "content_type": found.get("ContentType", "binary/octet-stream"),
        "metadata": found.get("Metadata", {}),
    }


def _result(found: dict[str, Any], *, changed: bool) -> dict[str, Any]:
    return {**found, "changed": changed}
