"""What calls need, as the Service Authorization Reference has it."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.local_aws.enforcement.actions import Need, UnknownActionError, needs

HERE = "us-east-1:123456789012"
ROLE = "arn:aws:iam::123456789012:role/worker"
TABLE = {"DatabaseName": "lake", "Name": "orders"}
KEY = f"arn:aws:kms:{HERE}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOPIC = f"arn:aws:sns:{HERE}:alerts"


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        ("sqs", "SendMessageBatch", {"QueueName": "q"}, [("sqs:SendMessage", f"arn:aws:sqs:{HERE}:q")]),
        (
            "lambda",
            "Invoke",
            {"FunctionName": "f"},
            [("lambda:InvokeFunction", f"arn:aws:lambda:{HERE}:function:f")],
        ),
        ("sns", "Publish", {"TopicArn": TOPIC}, [("sns:Publish", TOPIC)]),
        ("kms", "Sign", {"KeyId": KEY}, [("kms:Sign", KEY)]),
        (
            "glue",
            "GetTable",
            TABLE,
            [
                ("glue:GetTable", f"arn:aws:glue:{HERE}:table/lake/orders"),
                ("glue:GetTable", f"arn:aws:glue:{HERE}:catalog"),
                ("glue:GetTable", f"arn:aws:glue:{HERE}:database/lake"),
            ],
        ),
        (
            "monitoring",
            "GetDashboard",
            {"DashboardName": "health"},
            [("cloudwatch:GetDashboard", "arn:aws:cloudwatch::123456789012:dashboard/health")],
        ),
        ("kms", "CreateKey", {}, [("kms:CreateKey", "*")]),
        (
            "events",
            "PutEvents",
            {"Entries": [{"EventBusName": f"arn:aws:events:{HERE}:event-bus/own"}, {}]},
            [
                ("events:PutEvents", f"arn:aws:events:{HERE}:event-bus/own"),
                ("events:PutEvents", f"arn:aws:events:{HERE}:event-bus/default"),
            ],
        ),
        ("events", "PutRule", {"Name": "r"}, [("events:PutRule", f"arn:aws:events:{HERE}:rule/r")]),
        (
            "logs",
            "PutLogEvents",
            {"logGroupName": "/g", "logStreamName": "s"},
            [("logs:PutLogEvents", f"arn:aws:logs:{HERE}:log-group:/g:log-stream:s")],
        ),
        (
            "monitoring",
            "DescribeAlarms",
            {},
            [("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{HERE}:alarm:-")],
        ),
        (
            "glue",
            "UpdateJob",
            {"JobName": "j", "JobUpdate": {"Role": "worker"}},
            [("glue:UpdateJob", f"arn:aws:glue:{HERE}:job/j"), ("iam:PassRole", ROLE)],
        ),
        (
            "cloudtrail",
            "ListTags",
            {"ResourceIdList": [f"arn:aws:cloudtrail:{HERE}:trail/t"]},
            [("cloudtrail:ListTags", f"arn:aws:cloudtrail:{HERE}:trail/t")],
        ),
        ("sts", "GetCallerIdentity", {}, []),
    ],
)
def test_needs(
    service: str, operation: str, parameters: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert [(need.action, need.resource) for need in needs(service, operation, parameters)] == expected


def test_a_code_of_a_device_is_a_sign_in_of_this_moment() -> None:
    asked = {"RoleArn": ROLE, "RoleSessionName": "ann"}
    name = {"sts:RoleSessionName": "ann"}
    assert needs("sts", "AssumeRole", asked) == [Need("sts:AssumeRole", ROLE, name)]
    (need,) = needs("sts", "AssumeRole", {**asked, "SerialNumber": "d", "TokenCode": "000000"})
    signed_in = {"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "0"}
    assert need.context == {**name, **signed_in}


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("kms", "CreateKey", {"Tags": [{"TagKey": "project", "TagValue": "lake"}]}),
        ("cloudtrail", "CreateTrail", {"TagsList": [{"Key": "project", "Value": "lake"}]}),
        ("lambda", "CreateFunction", {"Tags": {"project": "lake"}}),
        ("ecs", "CreateCluster", {"tags": [{"key": "project", "value": "lake"}]}),
        (
            "ec2",
            "CreateVpc",
            {"TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "project", "Value": "lake"}]}]},
        ),
    ],
)
def test_the_tags_of_a_call_are_condition_keys(
    service: str, operation: str, parameters: dict[str, Any]
) -> None:
    assert needs(service, operation, parameters)[0].context == {"aws:RequestTag/project": "lake"}


@pytest.mark.parametrize(
    ("service", "operation", "named"), [("sqs", "Shred", "sqs:Shred"), ("neverland", "Fly", "neverland")]
)
def test_an_action_that_is_not_known_is_named(service: str, operation: str, named: str) -> None:
    with pytest.raises(UnknownActionError, match=f"^{named}: there is no such"):
        needs(service, operation, {})
