"""SQS: send, receive and delete messages."""

from __future__ import annotations

import json
from typing import Any

from aws_client import client, explained
from sqs_queues import DELIVERY_ATTRIBUTE, as_message, queue_url

from st_ops.sdk import Context, action


@action(idempotent=True, timeout=120)
@explained
def sqs_send_message(
    ctx: Context,
    queue: str,
    body: str | dict | list,
    attributes: dict[str, str] | None = None,
    delay_seconds: int = 0,
    deduplication_id: str = "",
    group_id: str = "",
) -> dict[str, Any]:
    """Send a message, once per deduplication id: a FIFO queue drops the second, and so does the sensor aws.sqs.

    Args:
        queue: Name or URL of the queue.
        body: Text, or an object or list that is sent as JSON.
        attributes: Message attributes, as text.
        delay_seconds: Hidden for so long (not for FIFO queues).
        deduplication_id: Names this wish; by default the execution's id, which a repeated run shares.
        group_id: Message group of a FIFO queue; by default the queue's name.
    """
    sqs = client(ctx, "sqs")
    url = queue_url(sqs, queue)
    delivery = deduplication_id or str(ctx.execution.get("id", ""))
    texts = {**(attributes or {}), **({DELIVERY_ATTRIBUTE: delivery} if delivery else {})}
    wish: dict[str, Any] = {
        "QueueUrl": url,
        "MessageBody": body if isinstance(body, str) else json.dumps(body),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": str(value)} for name, value in texts.items()
        },
    }
    if url.endswith(".fifo"):
        wish["MessageGroupId"] = group_id or url.rpartition("/")[2]
        wish.update({"MessageDeduplicationId": delivery} if delivery else {})
    else:
        wish["DelaySeconds"] = delay_seconds
    answer = sqs.send_message(**wish)
    return {"queue_url": url, "message_id": answer["MessageId"], "deduplication_id": delivery}


@action(idempotent=True, timeout=120)
@explained
def sqs_receive_messages(
    ctx: Context, queue: str, maximum: int = 10, wait_seconds: int = 0, visibility_seconds: int = 30
) -> dict[str, Any]:
    """Receive messages without deleting them; they are seen again after the visibility time unless deleted.

    Args:
        queue: Name or URL of the queue.
        maximum: How many at most, 1 to 10.
        wait_seconds: How long to wait for the first, 0 to 20.
        visibility_seconds: For how long nobody else receives them.
    """
    sqs = client(ctx, "sqs")
    url = queue_url(sqs, queue)
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=maximum,
        WaitTimeSeconds=wait_seconds,
        VisibilityTimeout=visibility_seconds,
        MessageAttributeNames=["All"],
        AttributeNames=["All"],
    )
    messages = [
        {**as_message(url, entry), "receipt_handle": entry["ReceiptHandle"]}
        for entry in answer.get("Messages", [])
    ]
    return {"queue_url": url, "count": len(messages), "messages": messages}


@action(idempotent=True, timeout=120)
@explained
def sqs_delete_message(ctx: Context, queue: str, receipt_handle: str) -> dict[str, Any]:
    """Delete a received message; one that is deleted already is fine.

    Args:
        queue: Name or URL of the queue.
        receipt_handle: From receiving it.
    """
    sqs = client(ctx, "sqs")
    url = queue_url(sqs, queue)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=receipt_handle)
    return {"queue_url": url, "deleted": True}


@action(idempotent=True, timeout=60)
@explained
def sqs_queue_depth(ctx: Context, queue: str) -> dict[str, Any]:
    """Tell how many messages wait in a queue and how many are being worked on.

    Args:
        queue: Name or URL of the queue.
    """
    sqs = client(ctx, "sqs")
    url = queue_url(sqs, queue)
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {
        "queue_url": url,
        "waiting": int(found["ApproximateNumberOfMessages"]),
        "in_flight": int(found["ApproximateNumberOfMessagesNotVisible"]),
        "delayed": int(found.get("ApproximateNumberOfMessagesDelayed", 0)),
    }
