"""What the SQS actions and the SQS sensor share: a queue's URL, and a message as JSON."""

from __future__ import annotations

import json
from typing import Any

#: Message attribute that names a wish to send, so that a message sent twice is one event.
DELIVERY_ATTRIBUTE = "st_ops_delivery"


def queue_url(sqs: Any, queue: str) -> str:
    """The URL of ``queue``, which is its name or already its URL. Raises botocore's ClientError when there is none."""
    if "://" in queue:
        return queue
    return str(sqs.get_queue_url(QueueName=queue)["QueueUrl"])


def as_message(url: str, entry: dict[str, Any]) -> dict[str, Any]:
    """A received message: queue, message_id, body (parsed where it is a JSON object or list), attributes, sent_at."""
    attributes = {
        name: value.get("StringValue", "") for name, value in entry.get("MessageAttributes", {}).items()
    }
    system = entry.get("Attributes", {})
    return {
        "queue": url.rpartition("/")[2],
        "queue_url": url,
        "message_id": entry["MessageId"],
        "body": _parsed(entry["Body"]),
        "attributes": attributes,
        "sent_at": int(system.get("SentTimestamp", 0)) / 1000,
        "receive_count": int(system.get("ApproximateReceiveCount", 1)),
    }


def _parsed(body: str) -> Any:
    if body[:1] not in "{[" or not body:
        return body
    try:
        return json.loads(body)
    except ValueError:
        return body
