from __future__ import annotations

import socket
from typing import Any

import pytest

from st_ops.sdk import ActionFailed
from tests.packs.aws.aws_setting import Aws
from tests.packs.pack_files import pack_file


def test_an_endpoint_without_keys_is_refused_instead_of_asking_the_machine_for_some(aws: Aws):
    del aws.config["access_key_id"]

    with pytest.raises(ActionFailed, match="sets endpoint_url but no keys"):
        pack_file("aws", "actions/ec2.py").ec2_describe_instances(aws.context())


def test_a_config_without_region_says_where_to_set_it(aws: Aws):
    del aws.config["region"]

    with pytest.raises(ActionFailed, match=r"Set region in configs/aws\.yaml"):
        pack_file("aws", "actions/ec2.py").ec2_describe_instances(aws.context())


def test_with_an_endpoint_no_name_and_no_other_address_is_ever_asked(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
):
    asked: set[str] = set()
    real = socket.getaddrinfo

    def record(host: Any, *more: Any, **named: Any) -> Any:
        asked.add(str(host))
        return real(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", record)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_PROFILE", "there-is-none")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")

    aws.run("ec2_describe_instances")
    aws.run("s3_wait_object", bucket="nothing", key="a", timeout_seconds=0)
    aws.run("sqs_queue_depth", queue="nothing")

    assert asked == {"127.0.0.1"}


def test_an_endpoint_that_does_not_answer_is_named(aws: Aws):
    aws.config["endpoint_url"] = "http://127.0.0.1:1"

    with pytest.raises(ActionFailed, match=r"AWS could not be asked: .*http://127.0.0.1:1"):
        pack_file("aws", "actions/ec2.py").ec2_describe_instances(aws.context())
