"""Reading one SQS queue for the sensor aws.sqs."""

from __future__ import annotations

from typing import Any

from aws_client import client
from botocore.exceptions import BotoCoreError, ClientError
from sqs_queues import DELIVERY_ATTRIBUTE, as_message, queue_url

from st_ops.sdk import Context
from st_ops.sdk.wire import RequestFailed

#: Seconds one request waits for messages: SQS's longest.
LONG_POLL = 20
#: Seconds after which a message whose event was not accepted is received again.
VISIBILITY = 30
#: Longest pause, in seconds, after AWS could not be asked.
LONGEST_PAUSE = 60.0


def read_queue(ctx: Context, queue: str) -> None:
    """Read one queue until the sensor is asked to end; back off while AWS cannot be asked."""
    pause = 1.0
    reader = None
    while not ctx.stopping.is_set():
        try:
            reader = reader or client(ctx, "sqs")
            take(ctx, reader, queue_url(reader, queue))
            pause = 1.0
        except (BotoCoreError, ClientError) as error:
            ctx.logger.warning("Queue %s could not be read, next try in %d s: %s", queue, pause, error)
            ctx.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


def take(ctx: Context, sqs: Any, url: str, wait: int = LONG_POLL) -> int:
    """Receive once, emit each message, delete each whose event is stored; how many those were."""
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=wait,
        VisibilityTimeout=VISIBILITY,
        MessageAttributeNames=["All"],
        AttributeNames=["All"],
    )
    taken = 0
    for entry in answer.get("Messages", []):
        if emit(ctx, as_message(url, entry)):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=entry["ReceiptHandle"])
            taken += 1
    return taken


def emit(ctx: Context, message: dict[str, Any]) -> bool:
    """True once the event is on disk; False when it was refused, and the message stays in its queue."""
    sent = message["attributes"].get(DELIVERY_ATTRIBUTE)
    # receive_count differs between two deliveries of one message; the delivery does not.
    delivery = f"sqs/{message['queue']}/{sent or message['message_id']}"
    try:
        ctx.emit("sqs_message", message, delivery=delivery)
    except RequestFailed as error:
        ctx.logger.warning(
            "Message %s of %s was refused and stays: %s", message["message_id"], message["queue"], error
        )
        return False
    return True
