"""The sensor aws.sqs: long-polls the queues of the config, one thread a queue."""

from __future__ import annotations

from queue import Queue
from threading import Thread

from st_ops.sdk import Context, SensorIdle, sensor


@sensor(
    name="sqs",
    description="Reads SQS queues; a message is deleted only after its event is accepted.",
    triggers={
        "sqs_message": {
            "description": "A message arrived in an SQS queue.",
            "payload_schema": {
                "type": "object",
                "properties": {
                    "queue": {"type": "string"},
                    "queue_url": {"type": "string"},
                    "message_id": {"type": "string"},
                    "body": {},
                    "attributes": {"type": "object"},
                    "sent_at": {"type": "number"},
                    "receive_count": {"type": "integer"},
                },
                "required": ["queue", "queue_url", "message_id", "body"],
            },
        }
    },
)
def sqs(ctx: Context) -> None:
    queues = list(ctx.config.get("sqs_queues") or [])
    if not queues:
        raise SensorIdle("configs/aws.yaml names no sqs_queues: nothing to read")
    failures: Queue[Exception] = Queue()
    for queue in queues:
        Thread(target=_guarded, args=(ctx, queue, failures), name=queue, daemon=True).start()
    # Not joined at the end: a message under way is either deleted, or received again and known as a repeat.
    while not ctx.wait(0.5):
        if not failures.empty():
            raise failures.get()


def _guarded(ctx: Context, queue: str, failures: Queue[Exception]) -> None:
    try:
        # Here, because boto3 is large: a sensor without queues does without it.
        from sqs_reader import read_queue

        read_queue(ctx, queue)
    except Exception as error:  # noqa: BLE001 - the edge of the thread: the sensor ends with it, and is started again
        failures.put(error)
