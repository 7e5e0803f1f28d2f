from __future__ import annotations

import pytest

from st_ops.sdk import ActionFailed
from tests.packs.aws.aws_setting import Aws
from tests.packs.pack_files import pack_file


def test_a_parameter_is_written_once_per_value(aws: Aws):
    def put(value: str):
        return aws.run("ssm_put_parameter", name="/shop/password", value=value).result

    assert [put("a"), put("a"), put("b")] == [
        {"name": "/shop/password", "version": 1, "changed": True},
        {"name": "/shop/password", "version": 1, "changed": False},
        {"name": "/shop/password", "version": 2, "changed": True},
    ]
    read = aws.run("ssm_get_parameter", name="/shop/password").result
    assert (read["value"], read["type"]) == ("b", "SecureString")


def test_a_parameter_that_does_not_exist_is_named(aws: Aws):
    with pytest.raises(ActionFailed, match="There is no SSM parameter '/nothing'"):
        pack_file("aws", "actions/ssm.py").ssm_get_parameter(aws.context(), "/nothing")


def test_an_alarm_is_read_with_its_state(aws: Aws):
    cloudwatch = aws.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="busy",
        MetricName="CPUUtilization",
        Namespace="AWS/EC2",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=80,
        ComparisonOperator="GreaterThanThreshold",
        Dimensions=[{"Name": "InstanceId", "Value": "i-1"}],
    )
    cloudwatch.set_alarm_state(AlarmName="busy", StateValue="ALARM", StateReason="too busy")

    alarm = aws.run("cloudwatch_read_alarm", name="busy").result
    assert (alarm["state"], alarm["reason"], alarm["threshold"]) == ("ALARM", "too busy", 80)
    assert alarm["dimensions"] == {"InstanceId": "i-1"}


def test_an_alarm_that_does_not_exist_is_named(aws: Aws):
    with pytest.raises(ActionFailed, match="There is no CloudWatch alarm 'nothing'"):
        pack_file("aws", "actions/cloudwatch.py").cloudwatch_read_alarm(aws.context(), "nothing")
