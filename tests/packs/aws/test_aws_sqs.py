from __future__ import annotations

from typing import Any

import pytest

from st_ops.sdk import SensorIdle
from st_ops.sdk.wire import RequestFailed
from tests.packs.aws.aws_setting import Aws
from tests.packs.pack_files import pack_file


@pytest.fixture
def queue(aws: Aws) -> str:
    return str(aws.client("sqs").create_queue(QueueName="jobs")["QueueUrl"])


def waiting(aws: Aws) -> tuple[int, int]:
    depth = aws.run("sqs_queue_depth", queue="jobs").result
    return depth["waiting"], depth["in_flight"]


def take(aws: Aws, queue: str) -> int:
    return int(pack_file("aws", "lib/sqs_reader.py").take(aws.context(), aws.client("sqs"), queue, wait=0))


def test_a_sent_message_is_received_with_its_body_parsed(aws: Aws, queue: str):
    aws.run("sqs_send_message", queue="jobs", body={"job": 7}, attributes={"from": "shop"})

    (message,) = aws.run("sqs_receive_messages", queue="jobs").result["messages"]
    assert message["body"] == {"job": 7}
    assert message["attributes"]["from"] == "shop"
    assert message["queue"] == "jobs"


def test_a_fifo_queue_takes_the_message_of_a_repeated_run_once(aws: Aws):
    aws.client("sqs").create_queue(QueueName="jobs.fifo", Attributes={"FifoQueue": "true"})
    for _run in range(2):
        aws.run("sqs_send_message", execution={"id": "65a"}, queue="jobs.fifo", body="one")

    assert aws.run("sqs_queue_depth", queue="jobs.fifo").result["waiting"] == 1


def test_deleting_a_message_twice_is_fine(aws: Aws, queue: str):
    aws.run("sqs_send_message", queue="jobs", body="one")
    (message,) = aws.run("sqs_receive_messages", queue="jobs").result["messages"]

    for _run in range(2):
        assert aws.run("sqs_delete_message", queue="jobs", receipt_handle=message["receipt_handle"]).ok
    assert waiting(aws) == (0, 0)


def test_the_sensor_emits_a_message_and_deletes_it(aws: Aws, queue: str):
    sent = aws.client("sqs").send_message(QueueUrl=queue, MessageBody='{"job": 7}')

    assert take(aws, queue) == 1

    (event,) = aws.platform.emitted
    assert event.trigger == "aws.sqs_message"
    assert event.payload["body"] == {"job": 7}
    assert event.delivery == f"sqs/jobs/{sent['MessageId']}"
    assert waiting(aws) == (0, 0)


def test_the_delivery_of_a_message_sent_twice_by_one_run_is_the_same(aws: Aws, queue: str):
    for _run in range(2):
        aws.run("sqs_send_message", execution={"id": "65a"}, queue="jobs", body="one")
    take(aws, queue)
    take(aws, queue)

    assert {event.delivery for event in aws.platform.emitted} == {"sqs/jobs/65a"}


def test_a_message_whose_event_is_not_accepted_stays_in_the_queue(
    aws: Aws, queue: str, monkeypatch: pytest.MonkeyPatch
):
    aws.run("sqs_send_message", queue="jobs", body="one")

    def refuse(**_arguments: Any) -> None:
        raise RequestFailed("The store is not available.")

    monkeypatch.setattr(aws.platform, "_emit", refuse)

    assert take(aws, queue) == 0
    assert waiting(aws) == (0, 1)


def test_a_sensor_without_queues_is_idle_and_says_what_is_missing(aws: Aws):
    with pytest.raises(SensorIdle, match=r"configs/aws\.yaml names no sqs_queues"):
        pack_file("aws", "sensors/sqs.py").sqs(aws.context())
