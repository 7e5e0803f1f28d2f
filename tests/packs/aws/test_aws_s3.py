from __future__ import annotations

import pytest

from st_ops.sdk import ActionFailed
from tests.packs.aws.aws_setting import REGION, Aws
from tests.packs.pack_files import pack_file


@pytest.fixture
def bucket(aws: Aws) -> str:
    aws.client("s3").create_bucket(Bucket="reports", CreateBucketConfiguration={"LocationConstraint": REGION})
    return "reports"


def copy(aws: Aws, bucket: str):
    return aws.run(
        "s3_copy_object", source_bucket=bucket, source_key="a.csv", bucket=bucket, key="b.csv"
    ).result


def test_waiting_ends_when_the_object_is_there(aws: Aws, bucket: str):
    aws.client("s3").put_object(Bucket=bucket, Key="a.csv", Body=b"1,2,3")

    assert aws.run("s3_wait_object", bucket=bucket, key="a.csv").result["size"] == 5


def test_an_object_that_does_not_come_is_named_after_the_time_is_up(aws: Aws, bucket: str):
    wait = pack_file("aws", "actions/s3.py").s3_wait_object

    with pytest.raises(ActionFailed, match=r"There is no s3://reports/a.csv after 0.1 s"):
        wait(aws.context(), bucket, "a.csv", timeout_seconds=0.1)


def test_copying_twice_copies_once_and_a_new_version_again(aws: Aws, bucket: str):
    s3 = aws.client("s3")
    s3.put_object(
        Bucket=bucket, Key="a.csv", Body=b"1,2,3", Metadata={"owner": "shop"}, ContentType="text/csv"
    )

    assert [copy(aws, bucket)["changed"], copy(aws, bucket)["changed"]] == [True, False]
    s3.put_object(Bucket=bucket, Key="a.csv", Body=b"4,5,6")
    assert copy(aws, bucket)["changed"] is True
    assert s3.get_object(Bucket=bucket, Key="b.csv")["Body"].read() == b"4,5,6"


def test_a_copy_keeps_type_and_metadata(aws: Aws, bucket: str):
    s3 = aws.client("s3")
    s3.put_object(Bucket=bucket, Key="a.csv", Body=b"1", Metadata={"owner": "shop"}, ContentType="text/csv")
    copy(aws, bucket)

    made = s3.head_object(Bucket=bucket, Key="b.csv")
    assert (made["ContentType"], made["Metadata"]["owner"]) == ("text/csv", "shop")
